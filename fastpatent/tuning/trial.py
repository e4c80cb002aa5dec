"""One trial that trains: a process of its own, `fastpatent train`, whose history is read while it runs."""

import errno
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from yacs.config import CfgNode

from fastpatent.config.report import settings_yaml
from fastpatent.config.yaml_files import BASE_KEY
from fastpatent.downloads import OPTION
from fastpatent.engine.checkpoint import checkpoints_in
from fastpatent.engine.run_record import read_history
from fastpatent.errors import DataError
from fastpatent.files import ESCAPED, check_output, head, make_folder, remove_files, write_atomically
from fastpatent.retrieval.metrics import Metric
from fastpatent.tuning.space import with_values
from fastpatent.tuning.study import RunningTrial

MARK = "# written by fastpatent sweep"  # first line of the files that it writes
TRAIN = (sys.executable, "-m", "fastpatent.commands", "train")
INTERRUPTED = 130  # exit status of a training that was stopped
FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
ERRORS = 2**20  # bytes of the errors of a training that are read
logger = logging.getLogger(__name__)


class Base(NamedTuple):
    """What all trials have in common.

    Attributes:
        cfg: the configuration that varies.
        config_file: its file.
        settings: {key: value} of the command line.
        test_set, metric, formula: what trials are compared by: names, and the Metric.
        downloads: whether they may download.
    """

    cfg: CfgNode
    config_file: str
    settings: dict[str, Any]
    test_set: str
    metric: str
    formula: Metric
    downloads: bool = False

    def write(self, path: Path, values: dict[str, Any], output_dir: Path) -> None:
        """Write a configuration with other values of some keys, for `fastpatent train --config-file`.

        DataError where a file of this name is there that no sweep has written.
        """
        check_output(path, "--out", is_ours)
        base = {BASE_KEY: os.path.relpath(self.config_file, path.parent)}
        text = f"{MARK}\n{settings_yaml(base | self.settings | values | {'OUTPUT_DIR': str(output_dir)})}"
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors=ESCAPED))

    def curve(self, folder: Path) -> dict[int, float]:
        """Return {epoch: value} of a run as far as it has come."""
        found = {line["epoch"]: self._measured(line) for line in read_history(folder)}
        return {epoch: float(value) for epoch, value in found.items() if isinstance(value, int | float)}

    def _measured(self, line: dict[str, Any]) -> Any:
        try:
            return line["tests"][self.test_set][self.metric]
        except (KeyError, TypeError):  # an epoch that was not evaluated
            return None


def is_ours(path: Path) -> bool:
    """Return whether a sweep has written a configuration; errors as `head`."""
    return head(path).startswith(MARK.encode())


class Training:
    """The process of a trial.

    Args:
        trial: that it runs; one that was stopped goes on.
        base: the configuration, and what is measured.
        folder: of the sweep.
        gpu: what CUDA_VISIBLE_DEVICES is to be; None: as it is.

    Attributes:
        stopped: whether it was asked to end, by `stop` or by a signal from elsewhere; the trial is left to be resumed.

    Raises:
        ConfigError: the values of the trial do not go together.
    """

    def __init__(self, trial: RunningTrial, base: Base, folder: Path, gpu: str | None) -> None:
        self.trial, self.base, self.stopped, self._worse = trial, base, False, False
        with_values(base.cfg, trial.values)
        self.folder, config = make_folder(folder / trial.name, "--out"), folder / f"{trial.name}.yml"
        base.write(config, trial.values, self.folder)
        words = ["--config-file", str(config), "--resume", *([OPTION] if base.downloads else [])]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*TRAIN, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it is in log.txt
            stderr=self._errors,
            env=os.environ if gpu is None else {**os.environ, "CUDA_VISIBLE_DEVICES": gpu},
            start_new_session=True,  # Ctrl-C is for the sweep, which stops its trainings
        )

    def poll(self) -> str | None:
        """Report what the training has reached, stop it where it is worse than others, and return how it ended.

        None while it goes on; else one line.

        Raises:
            DataError: the disk is full; the trial is left to be resumed.
        """
        status = self._process.poll()
        curve = self.base.curve(self.folder)
        if self.trial.report(curve) and status is None and not self.stopped:
            self._worse = True
            self._process.send_signal(signal.SIGTERM)
        return None if status is None else self._end(status, curve)

    def _end(self, status: int, curve: dict[int, float]) -> str:
        by = self.base.metric
        values = [value for value in curve.values() if not math.isnan(value)]
        best = (max if self.base.formula.greater_is_better else min)(values) if values else math.nan
        interrupted = status in (INTERRUPTED, -signal.SIGTERM, -signal.SIGINT)
        if status == 0 and values:
            self.trial.finish(best)
            return f"{by} {best:.4f}"
        if self._worse and interrupted:
            remove_files(checkpoints_in(self.folder))  # nobody goes on with it
            self.trial.prune()
            return f"{by} {best:.4f} at epoch {max(curve)}, pruned"
        if interrupted:
            self.stopped = True
            self.trial.leave()
            return "stopped; the same command goes on with it"
        why = f"no {by} of {self.base.test_set} was measured" if status == 0 else self._why(status)
        if any(sentence in why for sentence in FULL):
            self.trial.leave()
            raise DataError(f"{self.trial.name}: {why}; the same command goes on with it once there is room")
        self.trial.fail(why)
        return f"failed: {why}"

    def _why(self, status: int) -> str:
        """Return the sentence that the training ended with."""
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - ERRORS))
        lines = [line for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        sentences = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return "; ".join(sentences) or f"ended with status {status}"

    def stop(self) -> None:
        """Have it save and end; `poll` tells when it has."""
        if not self.stopped:
            self.stopped = True
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, where it still runs."""
        self._process.kill()
        self._process.wait()
