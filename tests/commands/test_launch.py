"""What a scheduler leaves in the environment is no launcher."""

import argparse
import os
import socket
import subprocess
import sys
import time

import pytest

from fastpatent.commands.launch import launch, local_rank
from fastpatent.distributed import LAUNCHED, is_launched
from fastpatent.errors import ConfigError
from tests.forked import run_python

ONE = argparse.Namespace(num_gpus=1, num_machines=1, machine_rank=0, dist_url="auto")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in (*LAUNCHED, "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("left", [["RANK"], ["WORLD_SIZE"], ["RANK", "WORLD_SIZE"]])
def test_variables_without_an_address_are_ignored_and_said(left, monkeypatch, caplog):
    for name in left:
        monkeypatch.setenv(name, "7")
    assert launch(lambda number: number + 1, ONE, 3) == 4
    assert f"{' and '.join(left)} of the environment ignored" in caplog.text


def test_a_variable_that_is_no_number_is_named(monkeypatch):
    for name in LAUNCHED:
        monkeypatch.setenv(name, "one")
    with pytest.raises(ConfigError, match="^RANK of the environment is 'one', not a whole number"):
        launch(lambda: None, ONE)
    monkeypatch.setenv("LOCAL_RANK", "")
    assert is_launched()
    with pytest.raises(ConfigError, match="^LOCAL_RANK of the environment is ''"):
        local_rank()


def test_a_run_of_one_launched_process_joins(monkeypatch):
    for name, value in zip(LAUNCHED, ("0", "1", "127.0.0.1", "0")):
        monkeypatch.setenv(name, value)
    assert launch(lambda: "joined", ONE) == "joined"


def test_a_rank_that_is_left_alone_counts_for_nothing(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert local_rank() == 0


WAITING = """
import argparse, os, signal, sys, time
from fastpatent.commands.launch import launch, local_rank
from fastpatent.commands.run import run

def job():
    def save(*_):
        os.write(1, b"saved %d" % local_rank() + bytes([10]))
        os._exit(130)
    signal.signal(signal.SIGTERM, save)
    os.write(1, b"working" + bytes([10]))  # in one piece
    time.sleep(60)

if __name__ == "__main__":
    two = argparse.Namespace(num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    sys.exit(run(launch, job, two))
"""


@pytest.mark.slow
def test_a_signal_to_end_reaches_all_processes(repository, tmp_path):
    """A scheduler sends SIGTERM to the process that it knows; the others would train on."""
    (tmp_path / "job.py").write_text(WAITING)
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary"),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, tmp_path / "job.py"], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["working\n"] * 2
        process.terminate()
        assert sorted(process.stdout.read().split()) == ["0", "1", "saved", "saved"]
        assert process.wait(timeout=60) == 130
    assert not list((tmp_path / "temporary").glob("fastpatent-*"))
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


FAILING = """
import argparse, os, sys, time
from fastpatent import distributed
from fastpatent.commands.launch import launch
from fastpatent.commands.run import run
from fastpatent.errors import DataError

def job(failing, waits):
    distributed.barrier()
    if distributed.rank() == int(failing):
        raise DataError("a.png: broken")
    if waits == "waits":  # as a process does for its GPU
        time.sleep(120)
    distributed.barrier()

children = []
for rank in "01":  # forked, else both would import all again
    child = os.fork()
    if not child:
        os.environ["RANK"] = rank
        os._exit(run(launch, job, argparse.Namespace(num_gpus=1), *sys.argv[1:]))
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.slow
@pytest.mark.parametrize("failing, others", [(1, "waits"), (0, "in a collective")])
def test_an_error_in_one_process_ends_the_others(failing, others, tmp_path):
    """As under torchrun, which leaves them half a minute. The first process has the store by which they meet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    variables = dict(zip(LAUNCHED[1:], ("2", "127.0.0.1", port)))
    # Within 100 s, less than a job waits, for a loaded machine: it takes 4 s.
    finished = run_python(tmp_path, "-c", FAILING, failing, others, timeout=100, **variables)
    assert finished.stdout == "[1, 1]\n"
    first, later = finished.stderr.split("\n", 1)
    assert first == "error: a.png: broken"
    assert "Traceback" not in later and "error:" not in later, later  # torch may warn that its store is gone
