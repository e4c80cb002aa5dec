"""Several processes end together: an error in one of them ends the others within seconds, whatever they wait for."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from torch.distributed.distributed_c10d import Store, _get_default_store

from fastpatent.commands.run import run
from fastpatent.distributed import world_size

FAILED = "fastpatent/failed"  # in the store of the processes: the exit status of the first that failed
PERIOD = 1.0  # seconds between two looks at it
GRACE = 2.0  # seconds in which a process may still end by itself, or others can read the store that it hosts


@contextmanager
def ending_together() -> Iterator[None]:
    """End this process, and then the others, where the block raises; and this one where the block of another does.

    The error is reported as by `run`. Only the process that has it reports: in the others a collective breaks off, or waits
    on a GPU, and so would the end of the process group here. So processes leave without it.
    """
    if world_size() == 1:
        yield
        return
    store, done = _get_default_store().clone(), threading.Event()  # its own connection: the other may be waiting
    follower = threading.Thread(target=_follow, args=(store, done), daemon=True)
    follower.start()
    try:
        yield
    except BaseException as error:
        done.set()
        _leave(error, store)
    done.set()
    follower.join(GRACE)


def _follow(store: Store, done: threading.Event) -> None:
    """End this process once another has failed; RuntimeErrors of the store mean that its own process has ended."""
    with suppress(RuntimeError):
        while not done.wait(PERIOD):
            status = _failed(store)
            if status is not None and not done.wait(GRACE):
                _end(status)


def _failed(store: Store) -> int | None:
    """Return the exit status of the first process that failed, None where none did."""
    return int(store.get(FAILED)) if store.check([FAILED]) else None


def _leave(error: BaseException, store: Store) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = _failed(store)
    except RuntimeError:
        status = 1
    if status is None or not isinstance(error, RuntimeError):  # else a collective broke off, for the other process is gone
        try:
            status = run(_raise, error)
        except BaseException:
            sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]: there is one
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(RuntimeError):
            store.set(FAILED, str(status))
        time.sleep(GRACE)
    _end(status)


def _raise(error: BaseException) -> None:
    raise error


def _end(status: int) -> NoReturn:
    for worker in multiprocessing.active_children():
        worker.terminate()
    os._exit(status)
