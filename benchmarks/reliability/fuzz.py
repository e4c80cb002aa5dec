"""Ten thousand inputs that are almost right: is everything that is wrong with them said in a sentence?

Usage: python benchmarks/reliability/fuzz.py [--cases N] [--seed S] [--only TARGET] [--processes P] [--failures DIR]
       python benchmarks/reliability/fuzz.py --replay FILE

A case passes where the package reads it, or refuses it by an error of its own (FastPatentError), within 10 s and 2 GiB.
Cases are drawn by hypothesis and depend on the seed alone. They run in processes that are replaced after a hang or a crash;
a case that fails is written to a file of its own, which --replay reads again. Exit status 1 where one fails.
"""

import argparse
import base64
import json
import logging
import multiprocessing
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import torch
from hypothesis import HealthCheck, Phase, given, settings
from tabulate import tabulate

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.reliability.targets import TARGETS, Case  # noqa: E402
from fastpatent.device import cpu_name  # noqa: E402
from fastpatent.errors import FastPatentError  # noqa: E402

SECONDS, MEMORY = 10, 2 * 2**30  # limits of one case
IMPORTS = 2**29  # bytes of a process that has read nothing yet
BATCH = 50  # cases drawn at once
OURS, READ, FAILED = "refused by a sentence", "read", "failures"
STATUS = Path("/proc/self/status")


class Outcome(NamedTuple):
    """What came of a case: OURS, READ or FAILED; the sentence or traceback; seconds, and peak of memory in bytes."""

    kind: str
    text: str
    seconds: float
    memory: int


def drawn(strategy, count, seed):
    """Return a number of cases, which depend on the seed alone; where there are fewer different ones, they come again."""
    cases: list[Case] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(case):
        cases.append(case)

    collect()
    return (cases * count)[:count]


def read_case(target, case, folder):
    """Write the files of a case, read them, remove them, and return the `Outcome`."""
    for name, data in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
    begun, before = time.monotonic(), _memory("VmRSS")
    try:
        kind, text = (OURS if target.read(case.words) is False else READ), ""
    except FastPatentError as error:
        kind, text = OURS, str(error)
        if not all(line.strip() for line in text.split("\n")):
            kind, text = FAILED, f"a line without a sentence: {text!r}"
    except BaseException:
        kind, text = FAILED, traceback.format_exc()
    seconds, memory = time.monotonic() - begun, _memory("VmHWM")
    if seconds > SECONDS or memory - max(before - IMPORTS, 0) > MEMORY:  # a test's process may be large before
        kind, text = FAILED, f"{seconds:.0f} s, {memory / 2**30:.1f} GiB of memory"
    for name in case.files:
        (folder / name).unlink(missing_ok=True)
    return Outcome(kind, text, seconds, memory)


def _memory(name):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def write_case(path, name, case):
    """Write a case of a target to a file."""
    files = {name: base64.b64encode(data).decode() for name, data in case.files.items()}
    path.write_text(json.dumps({"target": name, "files": files, "words": case.words}))


def load_case(path):
    """Return (name of its target, case) of a file of `write_case`."""
    found = json.loads(Path(path).read_text())
    return found["target"], Case({name: base64.b64decode(data) for name, data in found["files"].items()}, found["words"])


def work(connection, name, seed, first, cases, scratch):
    """Read the cases of one target from number `first` on, and send (number, Outcome) of each; in a process of its own.

    Each is in a file, see `_file`, while it is read, and stays there if it fails.
    """
    logging.disable(logging.CRITICAL)
    os.chdir(scratch)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    target = TARGETS[name](folder)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # libraries write to it
    limit = _memory("VmSize") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    number = first
    while number < cases:
        batch, place = divmod(number, BATCH)
        for case in drawn(target.cases, min(BATCH, cases - batch * BATCH), f"{seed} {name} {batch}")[place:]:
            write_case(_file(scratch, name, seed, number), name, case)
            connection.send((number, None))
            outcome = read_case(target, case, folder)
            if outcome.kind != FAILED:
                _file(scratch, name, seed, number).unlink()
            connection.send((number, outcome))
            number += 1
    connection.close()


def _file(folder, name, seed, number):
    return folder / f"{name}-{seed}-{number}.json"


class Lane:
    """The cases of one target, and the process that reads them now."""

    def __init__(self, name, cases, seed, scratch, failures):
        self.name, self.cases, self.seed, self.scratch, self.failures = name, cases, seed, scratch, failures
        self.done, self.begun = 0, None
        self.outcomes: list[Outcome] = []
        self._start()

    def _start(self):
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe(duplex=False)
        arguments = other, self.name, self.seed, self.done, self.cases, self.scratch
        self.process = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def receive(self):
        """Take what the process has sent; return whether all cases are done."""
        try:
            self.done, outcome = self.connection.recv()
            self.begun = time.monotonic()
        except EOFError:
            self.process.join()
            if self.process.exitcode and self.begun is None:
                sys.exit(f"error: {self.name}: the seeds cannot be made, status {self.process.exitcode}")
            return self.done >= self.cases or self._replace(f"the process ended, status {self.process.exitcode}")
        if outcome:
            self._add(outcome)
        return False

    def check_time(self):
        """End a process that has been at one case for too long."""
        if self.begun and time.monotonic() - self.begun > SECONDS:
            self.process.kill()
            self.process.join()
            return self._replace(f"a hang: more than {SECONDS} s")
        return False

    def _replace(self, reason):
        self._add(Outcome(FAILED, reason, SECONDS, 0))
        if self.done < self.cases:
            self.begun = None
            self._start()
        return self.done >= self.cases

    def _add(self, outcome):
        if outcome.kind == FAILED:
            path = _file(self.failures, self.name, self.seed, self.done)
            shutil.move(_file(self.scratch, self.name, self.seed, self.done), path)
            print(f"{self.name}, seed {self.seed}, case {self.done}: {outcome.text}\n  --replay {path}\n", file=sys.stderr)
        self.outcomes.append(outcome)
        self.done += 1


def fuzz(cases, seed=0, names=tuple(TARGETS), processes=2, failures=Path(".")):
    """Read cases of some targets, an equal number each; return {name of a target: its list of `Outcome`}."""
    each, rest = divmod(cases, len(names))
    waiting = [(name, each + (place < rest)) for place, name in enumerate(names)]
    lanes: list[Any] = []
    found: dict[str, list[Outcome]] = dict.fromkeys(names, [])
    with tempfile.TemporaryDirectory() as scratch:
        while waiting or lanes:
            while waiting and len(lanes) < processes:
                lanes.append(Lane(*waiting.pop(0), seed, Path(scratch), failures))
            ready = wait([lane.connection for lane in lanes], timeout=1)
            for lane in list(lanes):
                if lane.receive() if lane.connection in ready else lane.check_time():
                    found[lane.name] = lane.outcomes
                    lanes.remove(lane)
    return found


def replay(path):
    """Read one case again in this process, and print what comes of it; return 1 where it fails."""
    name, case = load_case(path)
    with tempfile.TemporaryDirectory() as scratch:
        target = TARGETS[name](Path(scratch))
        outcome = read_case(target, case, Path(scratch))
    print(f"{name}: {outcome.kind} in {outcome.seconds:.1f} s, {outcome.memory / 2**20:.0f} MiB\n{outcome.text}")
    return int(outcome.kind == FAILED)


def main():
    """Fuzz, print the table, and return 1 where a case fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="in all (default 10,000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--only", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--processes", type=int, default=2, metavar="P", help="at once (default 2)")
    parser.add_argument("--failures", type=Path, default=Path("."), metavar="DIR", help="for cases that fail (default here)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read this case again, and nothing else")
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay)
    torch.set_num_threads(1)
    begun = time.monotonic()
    names = [options.only] if options.only else list(TARGETS)
    found = fuzz(options.cases, options.seed, names, options.processes, options.failures)
    rows = []
    for name, outcomes in found.items():
        kinds = Counter(outcome.kind for outcome in outcomes)
        slowest, peak = max(outcome.seconds for outcome in outcomes), max(outcome.memory for outcome in outcomes)
        rows.append([name, len(outcomes), kinds[OURS], kinds[READ], f"{slowest:.2f}", round(peak / 2**20), kinds[FAILED]])
    rows.append(["all", *(sum(row[column] for row in rows) for column in (1, 2, 3)), "", "", sum(row[6] for row in rows)])
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, hypothesis {hypothesis.__version__}"
    print(f"{cpu_name()}; {versions}; seed {options.seed}, {time.monotonic() - begun:.0f} s\n")
    headers = ["", "cases", OURS, READ, "slowest, s", "peak memory, MiB", FAILED]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    return int(rows[-1][-1] > 0)


if __name__ == "__main__":
    sys.exit(main())
