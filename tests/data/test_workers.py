"""The number of worker processes, the order of results, and their end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from fastpatent import distributed
from fastpatent.data.workers import AHEAD, leave_quietly, map_in_order, worker_count
from fastpatent.errors import DataError

pytestmark = pytest.mark.slow


def test_workers_are_limited_to_the_share_of_cores(monkeypatch):
    """The share of a process is that of those on its machine, here half of all; a single one ignores what is set."""
    for cores, sharing, requested, expected, reason in [
        (16, 2, 8, 8, "DATALOADER.NUM_WORKERS"),
        (2, 1, 8, 2, "2 cores, DATALOADER.NUM_WORKERS is 8"),
        (16, 4, 8, 4, "16 cores for 4 processes, DATALOADER.NUM_WORKERS is 8"),
        (2, 4, 8, 1, "2 cores for 4 processes, DATALOADER.NUM_WORKERS is 8"),
        (2, 1, 0, 0, "DATALOADER.NUM_WORKERS"),
    ]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(distributed, "_processes", lambda: 2 * sharing)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(sharing))
        assert worker_count(requested) == (expected, reason), f"{cores=}, {sharing=}, {requested=}"
    monkeypatch.setattr(distributed, "world_size", lambda: 1)
    assert worker_count(8) == (2, "2 cores, DATALOADER.NUM_WORKERS is 8")
    monkeypatch.delenv("LOCAL_WORLD_SIZE")  # launched by something else
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    assert worker_count(8) == (1, "2 cores for 2 processes, DATALOADER.NUM_WORKERS is 8")


def test_a_worker_prints_its_faults_but_not_a_broken_connection(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        leave_quietly()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    for error in (ConnectionResetError("gone"), EOFError("gone"), ValueError("a fault")):
        sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == "ValueError: a fault\n"


def with_process(number):
    """A result and the process that computed it; the first ones take longest."""
    time.sleep(0.02 if number < 3 else 0)
    return number * number, os.getpid()


def die(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def complain(number):
    raise ValueError(f"{number} is no drawing")


def test_results_come_in_order():
    for workers, chunk in [(0, 4), (1, 4), (2, 1), (2, 4), (3, 7), (2, 100)]:
        results, processes = zip(*map_in_order(with_process, list(range(30)), workers, chunk))
        assert results == tuple(number * number for number in range(30)), f"{workers=}, {chunk=}"
        in_this = workers == 0 or chunk == 100
        assert (set(processes) == {os.getpid()}) == in_this and len(set(processes)) <= max(workers, 1), (
            f"{workers=}, {chunk=}"
        )


def test_no_items_give_no_results():
    assert list(map_in_order(complain, [], 2)) == []


class Asked:
    """A list that records how far it was read."""

    def __init__(self, count):
        self.count, self.furthest = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, places):
        self.furthest = max(self.furthest, places.stop)
        return list(range(places.start, min(places.stop, self.count)))


def test_workers_stay_a_bounded_way_ahead_and_end_when_the_caller_stops():
    items = Asked(10**6)
    with closing(map_in_order(with_process, items, 2, chunk=4)) as results:
        process = next(results)[1]
        time.sleep(0.1)
        assert items.furthest <= 2 * AHEAD * 4
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_errors_of_the_function_pass_through():
    with pytest.raises(ValueError, match="0 is no drawing"):
        list(map_in_order(complain, list(range(20)), 2, 4))


def test_a_killed_worker_is_reported_in_one_sentence():
    with pytest.raises(DataError, match="DATALOADER.NUM_WORKERS: one of 2 processes that read drawings was killed"):
        list(map_in_order(die, list(range(20)), 2, 2))


ORPHANS = """
import os, time
from fastpatent.data.workers import map_in_order

def tell(number):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece, for two processes write
    time.sleep(60)

list(map_in_order(tell, [0, 1, 2, 3], 2, 1))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
def test_workers_do_not_outlive_a_killed_process(repository):
    with subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True, cwd=repository) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.kill()
    deadline = time.monotonic() + 20
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # a zombie waits for whoever has adopted it
    except (FileNotFoundError, ProcessLookupError):
        return False
