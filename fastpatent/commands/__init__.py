"""The `fastpatent` command and the scripts under tools/: one file a job, each with a `main(argv)`."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastpatent import __version__
from fastpatent.errors import nearest

JOBS = {
    "train": "train a network: fastpatent train --config-file F [--resume] [--dry-run] [--num-gpus N] KEY VALUE...",
    "test": "rank a test set, measure, write result.npy: fastpatent test --config-file F --eval-only KEY VALUE...",
    "runs": "training runs side by side: fastpatent runs FOLDER... [--where CONDITION] [--sort COLUMN]",
    "reproduce": "train a run again and compare losses and metrics: fastpatent reproduce RUN [--output-dir DIR]",
    "find": "designs of a folder that are nearest to drawings: fastpatent find DRAWING... --in FOLDER [--top N]",
    "index": "an index to search in: fastpatent index build FOLDER --out INDEX; add, remove, info, verify",
    "search": "patents of an index by drawings, words and filters: fastpatent search INDEX DRAWING... [--where F]",
    "serve": "the search page and the API of an index, by HTTP: fastpatent serve INDEX [--port N] [--open]",
    "classify": "classes of images, zero-shot and by classifiers: fastpatent classify --config-file F KEY VALUE...",
    "extract": "features of any folder: fastpatent extract --config-file F --images DIR --output F.npz KEY VALUE...",
    "export": "write a network as ONNX: fastpatent export --config-file F --output M.onnx KEY VALUE...",
    "sweep": "try values of keys: fastpatent sweep --config-file F --space S.yml [--trials N] [--out DIR] KEY VALUE...",
    "benchmark": "measure many systems on the same images: fastpatent benchmark --config-file F KEY VALUE...",
    "compare": "what one run changes against another: fastpatent compare RUN_A RUN_B [--test-set NAME] KEY VALUE...",
    "submission": "faults of a submission: fastpatent submission check result.zip --queries L --database L [--against F]",
    "data": "build, check and pack data sets: fastpatent data build|check|stats|pack|extend ...",
    "convert": "published weights under our names: fastpatent convert IN OUT.safetensors [--config-file F]",
    "average": "mean of checkpoints of one network: fastpatent average OUT.pth IN IN...",
    "config": "print the merged configuration: fastpatent config --config-file F KEY VALUE...; --list: those there are",
    "completion": "completion of commands and keys: fastpatent completion bash|zsh|fish",
    "help": "this list, or the options of a job: fastpatent help JOB",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fastpatent JOB ...`; return the exit status."""
    job, *rest = (sys.argv[1:] if argv is None else list(argv)) or [""]
    if job == "help" and rest:
        job, rest = rest[0], [*rest[1:], "--help"]
    if job in ("-h", "--help", "help", ""):
        print("usage: fastpatent JOB ...\n\n" + "\n".join(f"  {name:10s} {what}" for name, what in JOBS.items()))
        return 0 if job else 2
    if job == "--version":
        print(f"fastpatent {__version__}")
        return 0
    if job not in JOBS:
        print(f"error: fastpatent has no job {job!r}{nearest(job, JOBS)}", file=sys.stderr)
        return 2
    with _importing():
        from fastpatent.commands.run import run  # takes seconds: it brings torch
    return run(_main_of, job, rest)


def _main_of(job: str, argv: Sequence[str]) -> int | None:
    with _importing():
        module = importlib.import_module(f"fastpatent.commands.{job}")
    return module.main(argv)


@contextmanager
def _importing() -> Iterator[None]:
    """Let Ctrl-C end the process at once: packages catch a KeyboardInterrupt in their imports and go on half imported."""

    def end(*_: object) -> None:
        os.write(2, b"interrupted\n")
        os._exit(130)

    ours = threading.current_thread() is threading.main_thread()  # which alone has handlers
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored by nohup, or a caller's own
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
