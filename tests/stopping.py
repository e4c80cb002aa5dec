"""Processes that are killed or interrupted in the middle."""

import os
import signal
import subprocess
import sys


def stop_when_going(program, words, folder, sent):
    """Run `python -c program words...` below a folder, send it a signal once it prints "going", and check how it ends.

    Args:
        sent: SIGKILL, which only the main process receives, or SIGINT, which all processes receive, as from Ctrl-C.
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
