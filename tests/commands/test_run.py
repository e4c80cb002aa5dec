"""How commands end."""

import errno
import subprocess
import sys

import pytest

from fastpatent.commands.run import run
from fastpatent.errors import ConfigError, DataError


def raising(error):
    def job(_):
        raise error

    return job


@pytest.mark.parametrize(
    "error, status, printed",
    [
        (DataError("a.png is truncated"), 1, "error: a.png is truncated\n"),
        (ConfigError("first\nsecond"), 1, "error: first\nerror: second\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (OSError(errno.ENOSPC, "No space left on device", "logs/a.pth"), 1, "error: logs/a.pth: No space left on device\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: an output file: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "logs"), 1, "error: logs: Permission denied\n"),
    ],
)
def test_known_ends(capsys, error, status, printed):
    assert run(raising(error), []) == status
    assert capsys.readouterr().err == printed


@pytest.mark.parametrize("error", [ValueError("ours"), FileNotFoundError(errno.ENOENT, "ours", "a"), KeyError("ours")])
def test_faults_of_ours_pass_through(error):
    with pytest.raises(type(error)):
        run(raising(error), [])


@pytest.mark.parametrize("returned, status", [(None, 0), (0, 0), (3, 3)])
def test_status_of_the_job(returned, status):
    assert run(lambda first, second: returned, 1, 2) == status


WRITER = """
import sys
from fastpatent.commands.run import run

def job(argv):
    for number in range(100000):
        print(number)

sys.exit(run(job, []))
"""

BROKEN_ELSEWHERE = """
import sys
from fastpatent.commands.run import run

def job(argv):
    raise BrokenPipeError(32, "a worker is gone")

sys.exit(run(job, []))
"""


def start(program, repository):
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=repository)


def test_closed_pipe_is_quiet(repository):
    with start(WRITER, repository) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


def test_broken_pipe_of_something_else_is_shown(repository):
    with start(BROKEN_ELSEWHERE, repository) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and b"BrokenPipeError" in errors
