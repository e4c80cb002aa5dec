"""The training loop and what it stands on: device, precision, schedule, checkpoints, processes, progress."""
