"""The `fastpatent` command and the scripts under tools/: one file a job, each with a `main(argv)`."""

import importlib
import sys
from collections.abc import Sequence

from fastpatent.commands.run import run

JOBS = {
    "train": "train a network: fastpatent train --config-file F [--resume] [--eval-only] [--num-gpus N] KEY VALUE...",
    "test": "rank a test set, measure, write result.npy: fastpatent test --config-file F --eval-only KEY VALUE...",
    "find": "images nearest to a text or an image: fastpatent find --config-file F --text T [--image F] KEY VALUE...",
    "classify": "classes of images, zero-shot and by classifiers: fastpatent classify --config-file F KEY VALUE...",
    "extract": "features of any folder: fastpatent extract --config-file F --images DIR --output F.npz KEY VALUE...",
    "export": "write a network as ONNX: fastpatent export --config-file F --output M.onnx KEY VALUE...",
    "benchmark": "measure many systems on the same images: fastpatent benchmark --config-file F KEY VALUE...",
    "data": "build, check and pack data sets: fastpatent data build|check|stats|pack|extend ...",
    "convert": "published weights under our names: fastpatent convert IN OUT.safetensors [--config-file F]",
    "config": "print the merged configuration: fastpatent config --config-file F KEY VALUE...",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fastpatent JOB ...`; return the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: fastpatent JOB ...\n\n" + "\n".join(f"  {name:9s} {what}" for name, what in JOBS.items()))
        return 0 if argv else 2
    job, *rest = argv
    if job not in JOBS:
        print(f"error: fastpatent has no job {job!r}; choose from {', '.join(JOBS)}", file=sys.stderr)
        return 2
    return run(_main_of, job, rest)


def _main_of(job: str, argv: Sequence[str]) -> int | None:
    return importlib.import_module(f"fastpatent.commands.{job}").main(argv)
