"""How many processes read."""

import os
import signal
import sys

import pytest

from fastpatent.data.workers import leave_quietly, worker_count


@pytest.mark.parametrize(
    "cores, sharing, requested, expected, reason",
    [
        (16, 1, 8, 8, "DATALOADER.NUM_WORKERS"),
        (2, 1, 8, 2, "2 cores, DATALOADER.NUM_WORKERS asks for 8"),
        (16, 4, 8, 4, "16 cores for 4 processes, DATALOADER.NUM_WORKERS asks for 8"),
        (2, 4, 8, 1, "2 cores for 4 processes, DATALOADER.NUM_WORKERS asks for 8"),
        (2, 1, 0, 0, "DATALOADER.NUM_WORKERS"),
    ],
)
def test_capped_by_the_share_of_cores(monkeypatch, cores, sharing, requested, expected, reason):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(sharing))
    assert worker_count(requested) == (expected, reason)


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
