"""Processes that read drawings: how many, in what order their results come, and how they behave when a run is stopped."""

import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, parent_process

from fastpatent.distributed import world_size
from fastpatent.errors import DataError

CHUNK = 16  # items handed to a worker at a time
AHEAD = 3  # chunks a worker that are handed over or wait to be taken: bounds the memory, keeps workers busy


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


def map_in_order(function, items, workers=0, chunk=CHUNK):
    """Yield `function(item)` for every item, in order, computed by worker processes a little ahead of the caller.

    Close the generator (`contextlib.closing`) where the caller may stop early: the workers then end at once.

    Args:
        function: importable by name, as are its results and the items.
        items: list.
        workers: processes; 0 computes in this one.
        chunk: items handed over at a time.

    Raises:
        DataError: a worker was killed. What `function` raises passes through.
    """
    if not workers or len(items) <= chunk:
        yield from map(function, items)
        return
    executor = ProcessPoolExecutor(workers, initializer=_start_worker)
    pending = deque()
    try:
        for start in range(0, len(items), chunk):
            pending.append(executor.submit(_map, function, items[start : start + chunk]))
            if len(pending) == AHEAD * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(killed_worker(workers)) from error
    finally:
        executor.shutdown(cancel_futures=True)


def killed_worker(workers):
    """Return the sentence for a worker process that is gone."""
    return (
        f"DATALOADER.NUM_WORKERS: one of {workers} processes that read drawings was killed, mostly for want of memory "
        "(or of /dev/shm); try fewer"
    )


def leave_quietly(_=None):
    """Start a worker process that leaves Ctrl-C to the main process, which ends it, and that dies without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _print_unless_disconnected


def _map(function, items):
    return list(map(function, items))


def _start_worker():
    """As `leave_quietly`; and end with the main process, whose kill the pool's workers would otherwise outlive for ever."""
    leave_quietly()
    threading.Thread(target=_follow, args=(parent_process().sentinel,), daemon=True).start()


def _follow(sentinel):
    connection.wait([sentinel])
    os._exit(1)


def _print_unless_disconnected(kind, error, traceback):
    """Print as ever, but for the thread that hands over shared memory: its peer is gone, and has said why."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, traceback)
