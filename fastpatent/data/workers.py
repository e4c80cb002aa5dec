"""How many processes read drawings, and how they behave when a person presses Ctrl-C."""
import os
import signal

from fastpatent.distributed import world_size


def worker_count(requested):
    """Return (processes, reason): `requested`, capped by this process's share of the cores; 0 reads in the process itself."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", world_size()))
    share = max(cores // sharing, 1)
    if requested <= share:
        return requested, "DATALOADER.NUM_WORKERS"
    among = f" for {sharing} processes" if sharing > 1 else ""
    return share, f"{cores} cores{among}, DATALOADER.NUM_WORKERS asks for {requested}"


def ignore_interrupt(_=None):
    """Start a worker process that leaves Ctrl-C to the main process, which ends it without a traceback of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
