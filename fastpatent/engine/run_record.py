"""What a training remembers of itself in its folder: run.json, how it was started and ended; history.jsonl, its epochs."""

import json
import logging
import os
import platform
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from yacs.config import CfgNode

import fastpatent
from fastpatent import distributed
from fastpatent.config.bounded_yaml import BoundedLoader
from fastpatent.config.in_use import CONFIG, FINAL, MARK
from fastpatent.config.names import leaves
from fastpatent.config.yaml_files import YAML_BYTES
from fastpatent.data.lock import has_writer
from fastpatent.data.records import Splits
from fastpatent.device import Device, Precision, cpu_name
from fastpatent.engine.resume import samples_digest
from fastpatent.errors import DataError
from fastpatent.files import read_regular, regular, write_atomically

RUN, HISTORY = "run.json", "history.jsonl"
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"  # states
PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", "numpy", "pillow")  # those that affect a training
MOST_RECORD, MOST_HISTORY = 2**24, 2**26  # bytes
MOST_REASON = 2000  # characters of the sentence that ended a run
GIT_SECONDS = 10  # after which git is not waited for
logger = logging.getLogger(__name__)


class Run(NamedTuple):
    """A training, as its folder tells it.

    Attributes:
        folder: OUTPUT_DIR.
        config: {dotted key: value} of its config.yaml; a key that is newer than the run is missing.
        state: RUNNING, FINISHED, STOPPED or FAILED.
        reason: why it was stopped or failed, one sentence, or "".
        record: run.json, see `about` and `recorded`; empty of a run of an older version.
        history: the lines of history.jsonl, one an epoch, see `History`.
    """

    folder: Path
    config: dict[str, Any]
    state: str
    reason: str
    record: dict[str, Any]
    history: list[dict[str, Any]]


def about(
    command: Sequence[str], device: Device, precision: Precision, samples: dict[str, Any], tests: Sequence[Splits], root: str
) -> dict[str, Any]:
    """Return what decides a run besides its configuration, as plain values.

    Args:
        command: words of the command line.
        device, precision: as chosen.
        samples: digest of the training images, see `samples_digest`.
        tests: the test sets.
        root: DATASETS.ROOT.

    Returns:
        {command; versions: {package: version}; device; precision; processes: their number; git: see `git_state`; lists:
        {train: samples, tests: {name: digest of queries and gallery}}}.
    """
    name = cpu_name() if device.device.type == "cpu" else device.reason
    return {
        "command": [*command],
        "versions": _versions(),
        "device": f"{device.device.type} ({name})",
        "precision": str(precision.dtype).removeprefix("torch."),
        "processes": distributed.world_size(),
        "git": git_state(),
        "lists": {"train": samples, "tests": {of.name: samples_digest([*of.query, *of.gallery], root) for of in tests}},
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "fastpatent": fastpatent.__version__}
    for package in PACKAGES:  # not imported, as some take a second
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found | ({"cuda": torch.version.cuda} if torch.version.cuda else {})


def git_state() -> dict[str, str] | None:
    """Return {commit; changes: SHA-256 of what differs from it, "" for nothing} of this package's checkout, None without."""
    checkout = Path(fastpatent.__file__).parent.parent
    if not (checkout / ".git").exists():
        return None
    try:
        commit, changed, new = (_git(checkout, *words) for words in (
            ("rev-parse", "HEAD"), ("diff", "HEAD", "--no-ext-diff"), ("status", "--porcelain"),
        ))  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # no git, or it does not trust the folder's owner
        return None
    return {"commit": commit.decode().strip(), "changes": sha256(changed + new).hexdigest() if changed + new else ""}


def _git(folder: Path, *words: str) -> bytes:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # it writes nothing
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=GIT_SECONDS).stdout


@contextmanager
def recorded(folder: str | os.PathLike[str], origin: dict[str, Any], resumed: bool) -> Iterator[None]:
    """Write run.json before and after the block, which trains: `origin`, see `about`, and

    started, ended: times, the latter None until then; host, pid: of the process; state: RUNNING, then FINISHED, STOPPED by
    an interrupt or FAILED by an error; reason: of the two; starts: of a resumed run the records of its earlier starts. A
    process that is killed leaves RUNNING behind, see `read_run`.
    """
    folder = Path(folder)
    record = {"started": _now(), "ended": None, "state": RUNNING, "reason": "", **origin}
    record |= {"host": socket.gethostname(), "pid": os.getpid(), "starts": _starts(folder) if resumed else []}

    def end(state: str, reason: str = "") -> None:
        try:
            _write(folder / RUN, {**record, "ended": _now(), "state": state, "reason": reason[:MOST_REASON]})
        except OSError as error:
            logger.warning(f"{error.filename}: {error.strerror}; it says that the run goes on")

    _write(folder / RUN, record)
    try:
        yield
    except KeyboardInterrupt:
        end(STOPPED, "interrupted by Ctrl-C or SIGTERM")
        raise
    except BaseException as error:
        bug = "" if isinstance(error, (fastpatent.errors.FastPatentError, OSError)) else f"{type(error).__name__}: "
        end(FAILED, f"{bug}{error}")
        raise
    end(FINISHED)


def _starts(folder: Path) -> list[Any]:
    """Return the records of the earlier starts of the run in a folder; none where they cannot be read."""
    try:
        last = _read_record(folder)
    except (OSError, ValueError):
        return []
    before = last.pop("starts", None)
    return [*(before if isinstance(before, list) else []), last] if last else []


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _write(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=1)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


class History:
    """history.jsonl of a run: a JSON object a line, appended and written to the disk at the end of every epoch.

    Its keys: epoch, from 1; iteration; seconds, with mining and evaluation; images_per_second, of the steps; lr; losses,
    {name: mean}; and where the epoch was evaluated tests and intervals, see `fastpatent.evaluation.results.figures`. What
    cannot be written ends it, not the run.

    Args:
        folder: OUTPUT_DIR.
        epochs: those of the checkpoint that the run resumes from: the lines of later ones are removed.
    """

    def __init__(self, folder: str | os.PathLike[str], epochs: int = 0) -> None:
        self.path, self._ended = Path(folder) / HISTORY, False
        kept = [line for line in read_history(folder) if line["epoch"] <= epochs] if epochs else []
        text = "".join(f"{json.dumps(line)}\n" for line in kept)
        write_atomically(self.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def add(self, line: dict[str, Any]) -> None:
        """Append the line of an epoch."""
        if self._ended:
            return
        try:
            with open(self.path, "a", encoding="utf-8", opener=regular) as file:
                file.write(f"{json.dumps(line)}\n")
        except (OSError, DataError) as error:
            self._ended = True
            logger.warning(f"{self.path} ends here: {getattr(error, 'strerror', None) or error}")


def read_history(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the lines of a folder's history.jsonl; those that are damaged, such as a last one cut off, are skipped.

    A missing or unreadable file has none.
    """
    try:
        text = read_regular(Path(folder) / HISTORY, MOST_HISTORY).decode(errors="replace")
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("epoch"), int):
            lines.append(found)
    return lines


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Return whether a training has written a folder's config.yaml."""
    try:
        with open(Path(folder) / CONFIG, "rb", opener=regular) as file:
            return file.read(len(MARK)) == MARK.encode()
    except (OSError, DataError):
        return False


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read the folder of a run, whole or half written, also one of an older version.

    A run that says it goes on, but whose process is gone, was STOPPED. One without run.json is FINISHED where its final
    checkpoint is there.

    Raises:
        DataError: there is no config.yaml of a run, or it or run.json cannot be read.
    """
    folder = Path(folder)
    if not is_run(folder):
        raise DataError(f"{folder}: is no run: it has no {CONFIG} that a training wrote")
    config = _read_config(folder)
    try:
        record = _read_record(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / RUN}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    state, reason = record.get("state"), record.get("reason")
    if not record:
        state, reason = (FINISHED, "") if (folder / FINAL).exists() else (STOPPED, "an older version, which did not say why")
    elif state == RUNNING and not _goes_on(folder, record):
        alone = record.get("processes") == 1
        state, reason = STOPPED, "killed" if alone else "killed, or ended by another of its processes"
    if state not in (RUNNING, FINISHED, STOPPED, FAILED) or not isinstance(reason, str):
        raise DataError(f"{folder / RUN}: cannot be read: its state is unknown")
    return Run(folder, config, state, reason, record, read_history(folder))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        return dict(leaves(CfgNode(yaml.load(read_regular(path, YAML_BYTES).decode(), BoundedLoader))))
    except Exception as error:  # yaml and yacs raise many kinds
        raise DataError(f"{path}: cannot be read as the configuration of a run") from error


def _read_record(folder: Path) -> dict[str, Any]:
    """Return run.json, empty where there is none; OSError or ValueError where it is damaged."""
    try:
        found = json.loads(read_regular(folder / RUN, MOST_RECORD))
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict) or not found:
        raise ValueError("it is no record of a run")
    return found


def _goes_on(folder: Path, record: dict[str, Any]) -> bool:
    ours = (record.get("host"), record.get("pid")) == (socket.gethostname(), os.getpid())
    return ours or has_writer(folder)
