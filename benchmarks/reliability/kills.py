"""Jobs that are stopped at random moments and gone on with: are the files those of a run never stopped?

Usage: python benchmarks/reliability/kills.py [--kills N] [--seed S] [--only JOB] [--kind KIND]

Jobs: training, packing, building of data sets, indexing (`index build`) and adding (`index add`). Fifty times kill -9 of an
index: `--only indexing --kind SIGKILL --kills 50`, and adding.

Every job runs once undisturbed. Then it runs again from nothing, is stopped one to five times, is started anew with the same
command after each stop, and runs to its end; its files are compared with those of the first run. This goes on until N stops
have been made: SIGKILL and SIGTERM to the main process, SIGINT to all processes as from Ctrl-C, or a full disk. Half of the
moments are drawn from the whole life of the process, its imports included, and half from the time after its first output.
Files are on a disk of 64 MB of its own (a tmpfs, which takes root), so that the full disk is a real one; without root, the
processes may write no byte more from the moment on (RLIMIT_FSIZE). Exit status 1: a file differs, a temporary file is left,
or a process failed by itself or did not end.
"""

import argparse
import hashlib
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from tabulate import tabulate

from fastpatent.device import cpu_name
from fastpatent.search.layout import MANIFEST, generation_folder, read_manifest
from fastpatent.search.verify import verify_index

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(REPOSITORY))
from tests.polygons import write_designs  # noqa: E402
from tests.uspto.weeks import week, write_tar  # noqa: E402

COMMAND = "-m", "fastpatent.commands"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
KINDS = ("SIGKILL", "SIGTERM", "SIGINT", "full disk")
SHARES = {"training": 0.3, "packing": 0.2, "building": 0.2, "indexing": 0.15, "adding": 0.15}  # of all stops
STOPS_A_RUN = 5  # at most
DISK = 64 * 2**20  # bytes
LEAST_WORK = 0.5  # seconds within which a process is stopped at its work, however little is left of that
# Adds to a copy of an index, which is whole before it has its name.
ADD = """
import os, shutil, sys
from fastpatent.commands import main

saved, out, *words = sys.argv[1:]
if not os.path.exists(out):
    shutil.rmtree(out + ".part", ignore_errors=True)
    shutil.copytree(saved, out + ".part")
    os.rename(out + ".part", out)
sys.exit(main(["index", "add", out, *words]))
"""
PATIENCE = 60  # seconds after a stop in which a process must have ended


class Job(NamedTuple):
    """The words after `python`, the folder of the files, and a function of it: the digests of all that must be equal."""

    words: list[str]
    out: Path
    digests: Callable[[Path], dict[str, str]]


class Undisturbed(NamedTuple):
    """The run that is never stopped: its digests, its seconds, and those until its first output."""

    digests: dict[str, str]
    seconds: float
    silent: float


def make_jobs(data, out, epochs=8, designs=1500, patents=200):
    """Write the inputs of all jobs below `data`; return {name: Job} with files below `out`."""
    write_designs(data / "few", 12, size=32, seed=0)
    write_designs(data / "many", designs, views=6, size=16, seed=1)  # 9,000 images: two full shards of a pack and a third
    write_tar(data / "I20210105.tar", week(range(1, patents + 1)))
    common = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25"]
    common += ["MODEL.DEVICE", "cpu", "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]"]
    training = [
        "train", "--resume", *common, "DATASETS.ROOT", data / "few", "OUTPUT_DIR", out / "training",
        "MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "MODEL.BACKBONE.DROP_PATH_RATIO", "0.5",
        "INPUT.FLIP.ENABLED", "True", "INPUT.REA.ENABLED", "True", "DATALOADER.SAMPLER_TRAIN", "NaiveIdentitySampler",
        "DATALOADER.NUM_INSTANCE", "2", "DATALOADER.NUM_WORKERS", "1", "SOLVER.MAX_EPOCH", epochs,
        "SOLVER.IMS_PER_BATCH", "8", "SOLVER.CHECKPOINT_PERIOD", "1", "SOLVER.CHECKPOINTS_KEPT", "3",
        "TEST.EVAL_PERIOD", "2",
    ]  # fmt: skip
    packing = [
        "data", "pack", *common, "DATASETS.ROOT", data / "many", "DATASETS.PACKS", out / "packing",
        "DATALOADER.NUM_WORKERS", "2",
    ]  # fmt: skip
    building = ["data", "build", data / "I20210105.tar", "--out", out / "building", "--workers", "2"]
    write_designs(data / "first", 60, views=6, size=32, seed=2)
    shutil.copytree(data / "first", data / "more")
    write_designs(data / "more" / "new", 60, views=6, size=32, seed=3)
    pixels = ["DESCRIPTOR.NAME", "pixels", "MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "2"]
    indexing = ["index", "build", data / "more", "--out", out / "indexing", *pixels]
    saved = ["index", "build", data / "first", "--out", data / "saved", *pixels]
    subprocess.run([sys.executable, *COMMAND, *map(str, saved)], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    jobs = {
        "training": ([*COMMAND, *training], weights),
        "packing": ([*COMMAND, *packing], files),
        "building": ([*COMMAND, *building], files),
        "indexing": ([*COMMAND, *indexing], drawings),
        "adding": (["-c", ADD, data / "saved", out / "adding", data / "more", *pixels], drawings),
    }
    return {name: Job([*map(str, words)], out / name, digests) for name, (words, digests) in jobs.items()}


def weights(folder):
    """Return the digest of every tensor of the final and of the best network."""
    found = {}
    for name in ("model_final.pth", "model_best.pth"):
        state = torch.load(folder / name, weights_only=True)
        found |= {f"{name}: {key}": _digest(value.numpy().tobytes()) for key, value in state["model"].items()}
        found[f"{name}: metric"] = repr(state["metric"])
    return found


def files(folder):
    """Return the digest of every file: pixels and indexes, or drawings, lists, metadata, reports and journals."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): _digest(path.read_bytes()) for path in paths}


def drawings(folder):
    """Return the digest of every file of an index but its manifest, and what `verify` says is wrong."""
    generation = generation_folder(folder, read_manifest(folder)["generation"])
    found = {path.name: _digest(path.read_bytes()) for path in generation.iterdir()}
    others = {path.name for path in folder.iterdir()} - {MANIFEST, ".lock"}
    return found | {"verify": " ".join(verify_index(str(folder), sample=0)), "folders": " ".join(sorted(others))}


def leftovers(folder):
    """Return the temporary files and folders that are left."""
    return sorted(str(path) for path in folder.rglob(".*") if path.name != ".lock")


def _digest(data):
    return hashlib.sha256(data).hexdigest()


class Attempt:
    """A process that does a job."""

    def __init__(self, job, scratch):
        self.paths = scratch / "output.txt", scratch / "errors.txt"
        with open(self.paths[0], "wb") as output, open(self.paths[1], "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *job.words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip

    @property
    def runs(self):
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def errors(self):
        """What it has written to standard error."""
        return self.paths[1].read_text(errors="replace")

    def wait_for_output(self):
        """Wait until it has written something, or has ended."""
        while self.runs and not self.paths[0].stat().st_size:
            time.sleep(0.002)

    def wait(self, seconds):
        """Wait as long at most; return whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, kind, disk):
        """Stop it and return whether it has ended; `disk`: the small one to fill, or None."""
        if kind == "full disk":
            return self._fill(disk) if disk else self._forbid_writing()
        number = getattr(signal, kind)
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.wait(PATIENCE)

    def _fill(self, disk):
        """Hold the disk full, also where it removes files of its own, until it has ended; then free the space."""
        filler, limit = disk / "filler", time.monotonic() + PATIENCE
        with open(filler, "wb") as file:
            while self.runs and time.monotonic() < limit:
                with suppress(OSError):  # it has written meanwhile
                    if free := shutil.disk_usage(disk).free:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)
                time.sleep(0.001)
        filler.unlink()
        return not self.runs

    def _forbid_writing(self):
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        return self.wait(PATIENCE)


@contextmanager
def small_disk(folder):
    """Mount a small disk on a folder where that is allowed, and yield whether it is."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "fastpatent-kills", folder]
    mounted = bool(shutil.which("mount")) and not subprocess.run(mount, capture_output=True).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def undisturbed(job, scratch):
    """Run a job without a stop and return the `Undisturbed`; its folder is empty again."""
    begun = time.monotonic()
    attempt = Attempt(job, scratch)
    attempt.wait_for_output()
    silent = time.monotonic() - begun
    if attempt.process.wait():
        sys.exit(f"error: without any stop this failed: {' '.join(job.words)}\n{attempt.errors}")
    found = Undisturbed(job.digests(job.out), time.monotonic() - begun, silent)
    shutil.rmtree(job.out)
    return found


def stop_and_go_on(job, truth, stops, draw, scratch, disk, counts, kinds):
    """Run a job from nothing to its end with at most some stops; return (stops made, sentences on what is wrong).

    Args:
        truth: the job's Undisturbed.
        stops: int.
        draw: random.Random.
        counts: Counter, to which stops by kind, moment and status are added.
        kinds: of KINDS, from which is drawn.
    """
    made, wrong, left = 0, [], truth.seconds - truth.silent  # seconds of work, about
    while True:
        attempt = Attempt(job, scratch)
        if made < stops:
            kind, whole_life, share = draw.choice(kinds), draw.random() < 0.5, draw.random()
            if not whole_life:
                attempt.wait_for_output()
            attempt.wait(share * (left + truth.silent * whole_life))
            if attempt.runs:
                working = attempt.paths[0].stat().st_size > 0
                if not attempt.stop(kind, disk):
                    os.killpg(attempt.process.pid, signal.SIGKILL)
                    attempt.process.wait()
                    wrong.append(f"{kind}: it did not end within {PATIENCE} s")
                if attempt.process.returncode:  # else it had nothing left to do
                    made += 1
                    left = max(left * (1 if whole_life else 1 - share), LEAST_WORK)
                    counts.update([kind, "working" if working else "importing", (kind, attempt.process.returncode)])
                    counts["tracebacks"] += "Traceback" in attempt.errors
                    continue
        if attempt.process.wait():
            return made, [*wrong, f"failed by itself, status {attempt.process.returncode}: {attempt.errors[-2000:]}"]
        break
    counts["runs"] += 1
    found = job.digests(job.out)
    different = sorted(name for name in truth.digests.keys() | found.keys() if truth.digests.get(name) != found.get(name))
    wrong += [f"{len(different)} differ from the run never stopped: {', '.join(different[:5])}"] if different else []
    wrong += [f"left: {path}" for path in leftovers(job.out)]
    counts["equal"] += not wrong
    shutil.rmtree(job.out)
    return made, wrong


def kill(job, kills, draw, scratch, disk, kinds=KINDS):
    """Stop a job `kills` times in several runs; return (Counter, sentences on what is wrong)."""
    counts: Counter = Counter()
    wrong, left = [], kills
    truth = undisturbed(job, scratch)
    while left:
        made, found = stop_and_go_on(job, truth, min(left, draw.randint(1, STOPS_A_RUN)), draw, scratch, disk, counts, kinds)
        left -= made
        wrong += found
        if job.out.exists():  # it failed
            shutil.rmtree(job.out)
    return counts, wrong


def main():
    """Stop the jobs, print the table, and return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="stops in all (default 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the moments and kinds (default 0)")
    parser.add_argument("--only", choices=SHARES, help="this job alone")
    parser.add_argument("--kind", choices=KINDS, action="append", help="this kind of stop alone; again for more")
    options = parser.parse_args()
    begun, rows, endings, wrong = time.monotonic(), [], Counter(), []
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as out, small_disk(out) as mounted:
        jobs = make_jobs(Path(scratch), Path(out))
        names = [options.only] if options.only else list(jobs)
        for name in names:
            kills = options.kills if options.only else round(options.kills * SHARES[name])
            draw = random.Random(f"{options.seed} {name}")
            counts, found = kill(
                jobs[name], kills, draw, Path(scratch), Path(out) if mounted else None, options.kind or KINDS
            )
            columns = (*KINDS, "importing", "working", "runs", "equal", "tracebacks")
            rows.append([name, *(counts[column] for column in columns), len(found)])
            endings.update({key: count for key, count in counts.items() if isinstance(key, tuple)})
            wrong += [f"{name}: {sentence}" for sentence in found]
    disk = "a tmpfs of 64 MB" if mounted else "RLIMIT_FSIZE"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{cpu_name()}; {versions}; full disk: {disk}")
    print(f"seed {options.seed}, {sum(sum(row[1:5]) for row in rows)} stops, {time.monotonic() - begun:.0f} s\n")
    headers = ["", *KINDS, "while importing", "while working", "runs to the end", "equal to the bit", "tracebacks", "wrong"]
    print(tabulate(rows, headers, tablefmt="github"))
    ended = ", ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(endings.items()))
    print(f"\nstatus after each stop: {ended}")
    print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
