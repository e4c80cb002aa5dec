"""How commands end."""

import errno
import logging
import subprocess
import sys

import pytest

from fastpatent import log
from fastpatent.commands.run import run
from fastpatent.errors import ConfigError, DataError


def raising(error):
    def job(_):
        raise error

    return job


def test_known_ends(capsys):
    for error, status, printed in (
        (DataError("a.png is truncated"), 1, "error: a.png is truncated\n"),
        (ConfigError("first\nsecond"), 1, "error: first\nerror: second\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (OSError(errno.ENOSPC, "No space left on device", "logs/a.pth"), 1, "error: logs/a.pth: No space left on device\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: an output file: No space left on device\n"),
        (OSError(errno.EFBIG, "File too large", "logs/a.pth"), 1, "error: logs/a.pth: File too large\n"),  # ulimit -f
        (PermissionError(errno.EACCES, "Permission denied", "logs"), 1, "error: logs: Permission denied\n"),
    ):
        assert run(raising(error), []) == status
        assert capsys.readouterr().err == printed


def test_every_other_exception_is_a_bug_and_passes_through():
    for error in (ValueError("a bug"), FileNotFoundError(errno.ENOENT, "a bug", "a"), KeyError("a bug")):
        with pytest.raises(type(error)):
            run(raising(error), [])


def test_status_of_the_job():
    for returned, status in ((None, 0), (0, 0), (3, 3)):
        assert run(lambda first, second, returned=returned: returned, 1, 2) == status


def test_the_log_lasts_as_long_as_the_job(tmp_path, capsys):
    logger = logging.getLogger("fastpatent.job")

    def job():
        logger.info("early")
        log.start(tmp_path)
        logger.warning("careful")
        raise DataError("a.png is truncated")

    assert run(job) == 1
    logger.info("afterwards")
    written = "early\nwarning: careful\nerror: a.png is truncated\n"
    assert (tmp_path / "log.txt").read_text() == written
    assert capsys.readouterr() == ("early\n", "warning: careful\nerror: a.png is truncated\n")


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


@pytest.mark.slow
def test_closed_pipe_is_quiet(repository):
    with start(WRITER, repository) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


@pytest.mark.slow
def test_broken_pipe_of_something_else_is_shown(repository):
    with start(BROKEN_ELSEWHERE, repository) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and b"BrokenPipeError" in errors
