"""A study of Optuna in a folder, which several processes, on several machines of one file system, work on together."""

import json
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from yacs.config import CfgNode

from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves
from fastpatent.config.report import short_value
from fastpatent.data.lock import only_writer
from fastpatent.errors import ConfigError, DataError, FastPatentError
from fastpatent.files import head, make_folder, regular, sha256_of
from fastpatent.retrieval.metrics import Metric
from fastpatent.text import short_line
from fastpatent.tuning.space import Param, Space

JOURNAL, LOCKS = "journal.log", ".locks"  # in the folder of the sweep
JOB = "fastpatent sweep"
FIRST = b'{"op_code":'  # the beginning of a journal
SAMPLERS = ("tpe", "random", "grid")
UNPRUNED = 5  # trials that run to their end before others are compared with them
FREE = {"OUTPUT_DIR", "MODEL.DEVICE", "DATALOADER.NUM_WORKERS"}  # keys that may differ between processes of a study
SHOWN = 3  # differences between two studies, in a message
logger = logging.getLogger(__name__)
optuna.logging.disable_default_handler()  # what it would print, the log of the sweep has in its own words
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Row(NamedTuple):
    """One trial, for tables and pages.

    Attributes:
        number: from 0.
        state: finished, pruned, failed or running.
        why: of a failed trial, its error; of others empty.
        value: what it reached, of a pruned trial too; None where it has none yet.
        params: of Optuna, by key.
        curve: {epoch: value}.
        seconds: from its start to its end, pauses included; None where it has not ended.
        others: what the same setting reached with other seeds.
    """

    number: int
    state: str
    why: str
    value: float | None
    params: dict[str, Param]
    curve: dict[int, float]
    seconds: float | None
    others: list[float]

    @property
    def mean(self) -> float:
        """The mean over all seeds; of a trial without a value NaN."""
        return math.nan if self.value is None else sum([self.value, *self.others]) / (1 + len(self.others))


STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def identity_of(cfg: CfgNode, space: Space, sampler: str) -> dict[str, dict[str, Any]]:
    """Return {what: {name: value}} that must be the same in all processes and calls that work on one study.

    Weights of a file count by their bytes.
    """
    base = {key: value for key, value in leaves(cfg) if key not in FREE | {*space.keys} and not KEYS[key].ignored}
    if os.path.isfile(cfg.MODEL.WEIGHTS):
        base["MODEL.WEIGHTS"] = f"SHA-256 {sha256_of(cfg.MODEL.WEIGHTS)}"
    axes = {axis.key: str(axis) for axis in space.axes}
    return {"space": axes, "configuration": base, "sampler": {"--sampler": sampler}}


class Study:
    """The trials of a sweep.

    Args:
        folder: of the sweep; made where it is missing.
        space: what varies.
        metric: of what the trials reach.
        sampler: one of SAMPLERS.
        seed: of the sampler; the n-th trial has the same random numbers in whichever process.
        most: trials in all, those of other processes and of earlier calls included.
        identity: see `identity_of`.
        first: the parameters of the first trial, see `Space.point_of`; None where the sampler chooses.

    Raises:
        ConfigError: the folder holds a study of something else; or the space is no grid, where it is to be one.
        DataError: the folder's journal is none, or is damaged.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        metric: Metric,
        sampler: str,
        seed: int,
        most: int,
        identity: dict[str, dict[str, Any]],
        first: dict[str, Param] | None = None,
    ) -> None:
        self.folder, self.space, self.metric, self.most = make_folder(folder, "--out"), space, metric, most
        self._sampler, self._seed = sampler, seed
        points = space.grid() if sampler == "grid" else [first] if first else []
        self._held: dict[str, ExitStack] = {}  # the locks of the trials that run here
        with only_writer(self.folder, JOB, wait=True):
            storage = _open(self.folder)
            self._main, self._seeds = (self._create(storage, name) for name in ("sweep", "seeds"))
            known = self._main.user_attrs.get("identity")
            if known is None:
                for point in points[len(self._main.get_trials(deepcopy=False)) :]:  # a kill may have come in between
                    self._main.enqueue_trial(point)
                self._main.set_user_attr("identity", identity)
        if known is not None:
            _check_same(self.folder, known, json.loads(json.dumps(identity)))
            with _readable(self.folder):
                for row in self.rows():  # values of the space, and numbers
                    _ = self.space.values(row.params), row.mean + sum(row.curve.values())

    def _create(self, storage: JournalStorage, name: str) -> optuna.Study:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize" if self.metric.greater_is_better else "minimize",
            pruner=MedianPruner(UNPRUNED),
            load_if_exists=True,
        )

    def next(self) -> "RunningTrial | None":
        """Return the next trial to run: one that was stopped and that no process runs now, else a new one.

        None where there are `most` of them; or, of a grid, none is left.
        """
        return self._next(self._main, "trial_{:04d}")

    def next_seed(self) -> "RunningTrial | None":
        """Return the next repetition of a trial with another seed, see `repeat`; None where none is left."""
        return self._next(self._seeds, "seed_{:04d}")

    def _next(self, study: optuna.Study, named: str) -> "RunningTrial | None":
        with only_writer(self.folder, JOB, wait=True):
            trials = study.get_trials(deepcopy=False)
            for frozen in trials:
                name = named.format(frozen.number)
                if frozen.state == TrialState.RUNNING and self._hold(name):
                    if study.get_trials(deepcopy=False)[frozen.number].state == TrialState.RUNNING:
                        return self._running(study, Trial(study, frozen._trial_id), name)
                    self.release(name)  # its process has just ended it
            begun = sum(frozen.state != TrialState.WAITING for frozen in trials)
            listed = study is self._seeds or self._sampler == "grid"
            if (study is self._main and begun >= self.most) or (listed and begun == len(trials)):
                return None
            study.sampler = self._sampler_of(begun)
            trial = study.ask()
            name = named.format(trial.number)
            self._hold(name)
            return self._running(study, trial, name)

    def _running(self, study: optuna.Study, trial: Trial, name: str) -> "RunningTrial":
        if study is self._main:
            return RunningTrial(self, study, trial, name, self.space.suggest(trial))
        of = self._main.get_trials(deepcopy=False)[trial.user_attrs["of"]]
        return RunningTrial(self, study, trial, name, self.space.values(of.params) | {"SEED": trial.user_attrs["seed"]})

    def _sampler_of(self, number: int) -> BaseSampler:
        seed = (self._seed * 1_000_003 + number) % 2**32
        return TPESampler(seed=seed) if self._sampler == "tpe" else RandomSampler(seed)

    def _hold(self, name: str) -> bool:
        """Lock a trial; return False where this process or another one runs it, or the training that a kill orphaned."""
        if name in self._held:
            return False
        lock, training = make_folder(self.folder / LOCKS / name, "--out"), self.folder / name
        held = ExitStack()
        try:
            if training.is_dir():
                with only_writer(training, JOB):
                    pass
            held.enter_context(only_writer(lock, JOB))
        except DataError:
            return False
        self._held[name] = held
        return True

    def release(self, name: str) -> None:
        """Let others run a trial that has not ended."""
        self._held.pop(name, ExitStack()).close()

    def is_busy(self) -> bool:
        """Return whether trials are left that other processes run."""
        return any(frozen.state == TrialState.RUNNING for frozen in self._main.get_trials(deepcopy=False))

    def repeat(self, best: int, seeds: Sequence[int]) -> None:
        """Have the best few trials run again with other seeds, where this has not been asked for before."""
        with only_writer(self.folder, JOB, wait=True):
            known = {
                (frozen.user_attrs["of"], frozen.user_attrs["seed"]) for frozen in self._seeds.get_trials(deepcopy=False)
            }
            for row in self.ranked()[:best]:
                for seed in seeds:
                    if (row.number, seed) not in known:
                        self._seeds.enqueue_trial({}, {"of": row.number, "seed": seed})

    def rows(self) -> list[Row]:
        """Return all trials that have begun, in the order of their numbers."""
        others: dict[int, list[float]] = {}
        for frozen in self._seeds.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            others.setdefault(frozen.user_attrs["of"], []).extend(frozen.values)
        trials = self._main.get_trials(deepcopy=False)
        return [_row(frozen, others.get(frozen.number, [])) for frozen in trials if frozen.state in STATES]

    def ranked(self) -> list[Row]:
        """Return the finished trials, the best first: those with several seeds by their mean, before all others."""
        sign = -1 if self.metric.greater_is_better else 1
        finished = [row for row in self.rows() if row.state == "finished"]
        return sorted(finished, key=lambda row: (not row.others, sign * row.mean, row.number))

    def importance(self) -> dict[str, float]:
        """Return {key: share of the variance of the finished trials that it explains}, by fANOVA; empty of too few."""
        if len(self.ranked()) < UNPRUNED:
            return {}
        try:
            with warnings.catch_warnings(action="ignore"):
                evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
                return optuna.importance.get_param_importances(self._main, evaluator=evaluator)
        except (ValueError, RuntimeError):  # all trials have the same parameters, or reached the same
            return {}


class RunningTrial:
    """A trial that this process runs.

    Attributes:
        name: of its folder.
        values: {key: value}.
    """

    def __init__(self, owner: Study, study: optuna.Study, trial: Trial, name: str, values: dict[str, Any]) -> None:
        self.name, self.values, self.number = name, values, trial.number
        self._owner, self._study, self._trial = owner, study, trial
        self._reported = set(trial.storage.get_trial(trial._trial_id).intermediate_values)

    def report(self, curve: Mapping[int, float]) -> bool:
        """Note what the trial reached by epochs; return whether it is worse than the others, and is to be stopped."""
        new = curve.keys() - self._reported
        for epoch in sorted(new):
            self._trial.report(curve[epoch], epoch)
            self._reported.add(epoch)
        return bool(new) and self._study.study_name == "sweep" and self._trial.should_prune()

    def finish(self, value: float) -> None:
        """End the trial with what it reached."""
        self._end(TrialState.COMPLETE, value)

    def prune(self) -> None:
        """End the trial before its time."""
        self._end(TrialState.PRUNED)

    def fail(self, why: str) -> None:
        """End the trial with an error."""
        self._trial.set_user_attr("why", short_line(why))
        self._end(TrialState.FAIL)

    def leave(self) -> None:
        """Leave the trial to whoever goes on with it."""
        self._owner.release(self.name)

    def _end(self, state: TrialState, value: float | None = None) -> None:
        self._study.tell(self._trial, value, state)
        self._owner.release(self.name)


def _row(frozen: FrozenTrial, others: list[float]) -> Row:
    curve = {epoch: value for epoch, value in sorted(frozen.intermediate_values.items())}
    return Row(
        frozen.number,
        STATES[frozen.state],
        str(frozen.user_attrs.get("why", "")),
        frozen.value if frozen.value is not None else next(reversed(curve.values()), None),
        frozen.params,
        curve,
        frozen.duration.total_seconds() if frozen.duration else None,
        others,
    )


class _Journal(JournalFileBackend):
    """A journal of which a full disk or a kill leaves whole lines only."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(str(path))
        self._path, self._folder = path, folder

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with only_writer(self._folder, JOB, wait=True), open(self._path, "r+b", opener=regular) as file:
            size = _whole_lines(file)
            try:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                os.truncate(self._path, size)
                raise OSError(error.errno, error.strerror, str(self._path)) from error


def _whole_lines(file: Any) -> int:
    """Cut what a kill has left of a line off the end of a file, go there, and return where that is."""
    end = file.seek(0, os.SEEK_END)
    while end and (file.seek(end - 1), file.read(1))[1] != b"\n":
        end -= 1
    file.truncate(end)
    return file.seek(end)


def _open(folder: Path) -> JournalStorage:
    path = folder / JOURNAL
    with open(path, "ab", opener=regular):
        pass
    with _readable(folder):
        if head(path)[: len(FIRST)] not in (b"", FIRST):
            raise ValueError
        return JournalStorage(_Journal(path, make_folder(folder / LOCKS / "journal", "--out")))


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raise DataError where what a journal says cannot be understood; of damage, Optuna and json raise many kinds."""
    try:
        yield
    except (OSError, FastPatentError):
        raise
    except Exception as error:
        raise DataError(f"{folder / JOURNAL}: is not the journal of a sweep, or is damaged; choose another --out") from error


def _check_same(folder: Path, there: Any, here: dict[str, dict[str, Any]]) -> None:
    """Raise ConfigError where a folder's study is another one."""
    for what, now in here.items():
        was = there.get(what, {})
        names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        if names:
            shown = [f"{name} is {_shown(was, name)} there and {_shown(now, name)} here" for name in names[:SHOWN]]
            more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise ConfigError(
                f"--out {folder}: holds a study of another {what}: {'; '.join(shown)}{more}; choose another --out"
            )


def _shown(values: dict[str, Any], name: str) -> str:
    return short_line(short_value(values[name])) if name in values else "not"
