"""How many processes read drawings, and how they behave when a person presses Ctrl-C."""

import os
import signal
import sys

from fastpatent.distributed import world_size


def worker_count(requested):
    """Return (processes, reason): `requested`, but no more than this process's share of the cores.

    0 means that the process reads by itself.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", world_size()))
    share = max(cores // sharing, 1)
    if requested <= share:
        return requested, "DATALOADER.NUM_WORKERS"
    among = f" for {sharing} processes" if sharing > 1 else ""
    return share, f"{cores} cores{among}, DATALOADER.NUM_WORKERS asks for {requested}"


def leave_quietly(_=None):
    """Start a worker process that leaves Ctrl-C to the main process, which ends it, and that dies without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _print_unless_disconnected


def _print_unless_disconnected(kind, error, traceback):
    """Print as ever, but for the thread that hands over shared memory: its peer is gone, and has said why."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, traceback)
