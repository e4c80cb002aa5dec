"""Worker processes that read images: their number, the order of their results, and their end when a run is stopped."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, parent_process
from types import TracebackType
from typing import TypeVar

from fastpatent.distributed import local_world_size
from fastpatent.errors import DataError

CHUNK = 16  # items submitted to a worker at a time
AHEAD = 3  # chunks per worker that are submitted and not yet consumed: bounds memory, keeps workers busy

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count(requested: int) -> tuple[int, str]:
    """Return (processes, reason): `requested`, but at most this process's share of the cores.

    0 means that this process reads itself.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    sharing = local_world_size()
    share = max(cores // sharing, 1)
    if requested <= share:
        return requested, "DATALOADER.NUM_WORKERS"
    among = f" for {sharing} processes" if sharing > 1 else ""
    return share, f"{cores} cores{among}, DATALOADER.NUM_WORKERS is {requested}"


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int = 0, chunk: int = CHUNK
) -> Generator[Result, None, None]:
    """Yield `function(item)` for every item, in order, computed by worker processes slightly ahead of the caller.

    Close the generator (`contextlib.closing`) where the caller may stop early: the workers then end at once.

    Args:
        function: picklable, as are its results and the items.
        items: what to process.
        workers: processes; 0 computes in this one.
        chunk: items submitted at a time.

    Raises:
        DataError: a worker was killed. Exceptions of `function` are passed on.
    """
    if not workers or len(items) <= chunk:
        yield from map(function, items)
        return
    executor = ProcessPoolExecutor(workers, initializer=_start_worker)
    pending: deque[Future[list[Result]]] = deque()
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


def killed_worker(workers: int) -> str:
    """Return the error message for a worker process that died."""
    return (
        f"DATALOADER.NUM_WORKERS: one of {workers} processes that read drawings was killed, usually because memory "
        "(or /dev/shm) ran out; try fewer"
    )


def leave_quietly(_: int | None = None) -> None:
    """Initialise a worker process: it ignores Ctrl-C, since the main process ends it, and dies without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _print_unless_disconnected


def _map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return list(map(function, items))


def _start_worker() -> None:
    """As `leave_quietly`; the worker also ends with the main process, since a pool's workers survive if that is killed."""
    leave_quietly()
    parent = parent_process()
    assert parent, "a worker has a parent"
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _print_unless_disconnected(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print all exceptions except those of the thread that sends shared memory: its peer has ended and reported why."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, traceback)
