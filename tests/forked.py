"""Processes that need not import torch again, which takes seconds: each is forked from one that has imported only that."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch

multiprocessing.set_forkserver_preload(["torch._dynamo", "torch.utils.tensorboard", "timm", "torchvision.transforms.v2"])
FORKED = multiprocessing.get_context("forkserver")


def run_python(folder, *words, timeout=240, **environment):
    """Run what `python words...` would, in a folder; return a CompletedProcess with its text.

    Args:
        folder: path, which also gets the files `stdout` and `stderr`.
        words: "-c", a program and its words, or a script and its words.
        timeout: seconds.
        environment: variables that are added.
    """
    process = FORKED.Process(target=_run, args=(str(folder), [*map(str, words)], os.environ | environment))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise subprocess.TimeoutExpired(words, timeout)
    return subprocess.CompletedProcess(
        words, process.exitcode, *(Path(folder, name).read_text() for name in ("stdout", "stderr"))
    )


def _run(folder, words, environment):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    for number, name in enumerate(("stdout", "stderr"), start=1):
        with open(name, "wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = words
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        runpy.run_path(words[0], run_name="__main__")


def in_two_processes(function, *words):
    """Call `function(rank, *words)` in two processes, and raise what one of them raises."""
    torch.multiprocessing.start_processes(function, words, nprocs=2, start_method="forkserver")
