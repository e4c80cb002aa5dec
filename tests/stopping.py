"""Runs that are stopped in the middle."""

import os
import signal
import subprocess
import sys


def stop_when_going(program, words, folder, sent):
    """Run `python -c program words...` below a folder, stop it once it prints "going", and check how it ends.

    Args:
        sent: SIGKILL, sent to the main process alone, or SIGINT, sent to all processes as by Ctrl-C in a terminal.
    """
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    ) as process:
        while process.stdout.readline() != "going\n":
            assert process.poll() is None
        killed = sent == signal.SIGKILL
        os.kill(process.pid, sent) if killed else os.killpg(process.pid, sent)
        _, errors = process.communicate(timeout=50)
    assert (process.returncode, errors) == ((-9, "") if killed else (130, "interrupted\n"))
