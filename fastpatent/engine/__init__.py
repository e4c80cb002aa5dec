"""The training loop: optimizer, schedule, mining, checkpoints, resuming."""
