"""One writer per folder, and no lock that outlives a killed one."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from fastpatent.data.lock import only_writer
from fastpatent.errors import DataError

HOLDER = """
import os, sys, time
from fastpatent.data.lock import only_writer
with only_writer(sys.argv[1], "fastpatent data pack"):
    if os.fork():
        print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_is_killed(tmp_path, repository):
    """Also where a worker process of the first survives and has the lock file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=repository, start_new_session=True
    ) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(DataError, match=f"^{tmp_path}: another `fastpatent data pack` is writing to this folder$"):
                with only_writer(tmp_path, "fastpatent data pack"):
                    pass
            holder.kill()
            holder.wait()
            with only_writer(tmp_path, "fastpatent data pack"):
                assert (tmp_path / ".lock").exists()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(holder.pid, signal.SIGKILL)


def test_it_is_released(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError), only_writer(tmp_path, "fastpatent data pack"):
            raise ValueError


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fastpatent.data.lock.fcntl.lockf", refuse)
    with pytest.raises(DataError, match="cannot be locked against a second writer: No locks available"):
        with only_writer(tmp_path, "fastpatent data pack"):
            pass
