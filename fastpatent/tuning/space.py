"""The space of a sweep: which keys of the configuration vary, and over what.

SOLVER.BASE_LR: {low: 1.0e-4, high: 3.0e-3, log: true}
INPUT.SIZE_TRAIN: [[96, 96], [128, 128]]
"""

import json
import math
import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple, Protocol

import yaml
from yacs.config import CfgNode

from fastpatent.config.by_name import find_file
from fastpatent.config.checks import broken_rules, key_complaint
from fastpatent.config.defaults import get_cfg
from fastpatent.config.effects import without_effect
from fastpatent.config.keys import KEYS
from fastpatent.config.loader import listed
from fastpatent.config.names import nearest_key, section_of
from fastpatent.config.report import short_value
from fastpatent.config.values import coerce, expand_paths
from fastpatent.config.yaml_files import INVALID, YAML_BYTES, construct, parse, place_of, written
from fastpatent.errors import ConfigError, nearest
from fastpatent.files import read_regular

OPTIONS = ("low", "high", "log", "step")
MOST = 10_000  # points of a grid, and values of one of its keys
STEPS = 10**6  # most of a range
SAMPLED = 100  # random points in which a key must take effect
# Keys that would change what is compared, or that the sweep sets itself
FIXED = {
    "OUTPUT_DIR": "each trial has its own",
    "SEED": "write --seeds",
    "DATASETS.TESTS": "trials are compared on one test set",
    "TEST.BEST_METRIC": "trials are compared by one metric",
}
# Keys of a network that is trained already; where a space has no others, nothing is trained
RANKING = ("TEST.", "INPUT.SIZE_TEST")
ONLY_TRAINING = ("TEST.EVAL_PERIOD",)
Param = str | int | float


class Suggesting(Protocol):
    """A trial of Optuna, as far as a space needs it."""

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...


class Choice(NamedTuple):
    """A key that takes one of some values; for Optuna each is its JSON, as lists are no values there."""

    key: str
    values: tuple[Any, ...]

    @property
    def texts(self) -> list[str]:
        """The values as parameters of Optuna."""
        return [json.dumps(value) for value in self.values]

    def suggest(self, trial: Suggesting) -> Any:
        """Return the value that a trial has, or now gets."""
        return self.value(trial.suggest_categorical(self.key, self.texts))

    def value(self, param: Param) -> Any:
        """Return the value of a parameter."""
        return self.values[self.texts.index(str(param))]

    def param(self, value: Any) -> Param | None:
        """Return the parameter of a value; None where it is outside."""
        text = json.dumps(value)
        return text if text in self.texts else None

    def grid(self) -> list[Param]:
        """Return all parameters."""
        return [*self.texts]

    def __str__(self) -> str:
        return f"[{'; '.join(map(short_value, self.values))}]"


class Range(NamedTuple):
    """A key that takes numbers from `low` to `high`, both included; whole ones where these are."""

    key: str
    low: int | float
    high: int | float
    log: bool
    step: int | float | None

    def suggest(self, trial: Suggesting) -> Any:
        """Return the value that a trial has, or now gets."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.key, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def value(self, param: Param) -> Any:
        """Return the value of a parameter, which is the same."""
        return param

    def param(self, value: Any) -> Param | None:
        """Return the parameter of a value; None where it is outside."""
        inside = self.low <= value <= self.high and (not self.step or not _exact(value, self.low) % _exact(self.step))
        return value if inside else None

    def grid(self) -> list[Param]:
        """Return all parameters; ConfigError where they are not finite in number, or too many."""
        step = self.step or (1 if isinstance(self.low, int) and not self.log else 0)
        if not step:
            raise ConfigError(f"{self.key}: a grid needs a list of values, or a step")
        count = int(_exact(self.high, self.low) / _exact(step)) + 1
        if count > MOST:
            raise ConfigError(f"{self.key}: has {count:,} values, more than the {MOST:,} of a grid")
        return [type(self.low)(_exact(self.low) + number * _exact(step)) for number in range(count)]

    def __str__(self) -> str:
        step = f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}{step}"


def _exact(number: float, start: float = 0) -> Decimal:
    """Return a number, from another one on, as it is written: 0.3 is three times 0.1."""
    return Decimal(str(number)) - Decimal(str(start))


Axis = Choice | Range


class Space(NamedTuple):
    """What varies.

    Attributes:
        path: of the file.
        axes: of each key, in the order of the file.
        places: {key: file:line}.
    """

    path: str
    axes: tuple[Axis, ...]
    places: dict[str, str]

    @property
    def keys(self) -> list[str]:
        """The keys that vary."""
        return [axis.key for axis in self.axes]

    @property
    def only_ranks(self) -> bool:
        """Whether all keys are of a network that is trained already."""
        return all(key.startswith(RANKING) and key not in ONLY_TRAINING for key in self.keys)

    def suggest(self, trial: Suggesting) -> dict[str, Any]:
        """Return {key: value} of a trial; those that it has not yet are chosen now."""
        return {axis.key: axis.suggest(trial) for axis in self.axes}

    def values(self, params: dict[str, Param]) -> dict[str, Any]:
        """Return {key: value} of the parameters that a trial has; one that was stopped early may lack some."""
        return {axis.key: axis.value(params[axis.key]) for axis in self.axes if axis.key in params}

    def point_of(self, cfg: CfgNode) -> dict[str, Param] | None:
        """Return the parameters of a configuration as it is; None where it lies outside the space."""
        point = {axis.key: axis.param(value_of(cfg, axis.key)) for axis in self.axes}
        return None if None in point.values() else {key: param for key, param in point.items() if param is not None}

    def grid(self) -> list[dict[str, Param]]:
        """Return all points of the space as parameters; ConfigError where there are too many, or no number of them."""
        try:
            lists = [axis.grid() for axis in self.axes]
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from error
        if math.prod(map(len, lists)) > MOST:
            raise ConfigError(f"{self.path}: the grid has {math.prod(map(len, lists)):,} points, more than {MOST:,}")
        return [dict(zip(self.keys, point)) for point in product(*lists)]


def value_of(cfg: CfgNode, key: str) -> Any:
    """Return the value of a dotted key."""
    found = section_of(cfg, key)
    assert found, f"{key} is a key"
    return found[0][found[1]]


def with_values(cfg: CfgNode, values: dict[str, Any], check: bool = True) -> CfgNode:
    """Return a configuration with other values of some keys, frozen.

    Raises:
        ConfigError: with `check`, the values of several keys do not go together.
    """
    cfg = cfg.clone()
    cfg.defrost()
    for key, value in values.items():
        found = section_of(cfg, key)
        assert found, f"{key} is a key"
        found[0][found[1]] = value
    cfg.freeze()
    if check and (problems := [f"{key} {sentence}" for key, sentence in broken_rules(cfg)]):
        raise ConfigError("; ".join(problems))
    return cfg


def read_space(given: str) -> Space:
    """Read the space of a sweep.

    Args:
        given: path of a YAML file, or name of one that comes with fastpatent.

    Raises:
        ConfigError: one line for everything wrong, `file:line: KEY what is wrong; nearest valid name`.
    """
    path, problems = find_file(given), []
    try:
        data = read_regular(path, YAML_BYTES)
    except OSError as error:
        raise ConfigError(f"--space {path}: {error.strerror}") from error
    parsed = parse(path, data, problems)
    axes: list[Axis] = []
    places: dict[str, str] = {}
    if parsed and isinstance(parsed[1], yaml.MappingNode):
        for node, content in parsed[1].value:
            key, place = written(node), place_of(path, node)
            value = construct(path, parsed[0], content, problems)
            if value is INVALID:
                continue
            try:
                if key in places:
                    raise ValueError(f"is there twice, first on line {places[key].rpartition(':')[2]}")
                axes.append(_axis(key, value))
            except ValueError as error:
                problems.append(f"{place}: {key} {error}")
            places.setdefault(key, place)
    elif not problems:
        problems.append(f"{path}: a space consists of lines KEY: [value, ...] or KEY: {{low: ..., high: ...}}")
    if problems:
        raise ConfigError(listed(problems))
    return Space(path, tuple(axes), places)


def _axis(key: str, value: Any) -> Axis:
    """Return what one line of the file says; ValueError with the end of a sentence."""
    if key not in KEYS:
        raise ValueError(f"is no key{nearest_key(key, get_cfg())}")
    if key in FIXED or KEYS[key].ignored:
        raise ValueError(f"cannot vary: {FIXED.get(key, 'it has no effect here')}")
    if isinstance(value, list):
        return _choice(key, value)
    if isinstance(value, dict):
        return _range(key, value)
    raise ValueError("needs a list of values, [a, b, c], or {low: ..., high: ...}")


def _choice(key: str, listed: list[Any]) -> Choice:
    row, values = KEYS[key], []
    for entry in listed:
        value = coerce(entry, row.default, single=row.single)
        value = expand_paths(value) if row.path else value
        if value != row.default and (complaint := key_complaint(key, value)):
            raise ValueError(complaint)
        if value in values:
            raise ValueError(f"has {short_value(value)} twice")
        values.append(value)
    if not values:
        raise ValueError("has an empty list")
    return Choice(key, tuple(values))


def _range(key: str, given: dict[Any, Any]) -> Range:
    default = KEYS[key].default
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ValueError("is no number; write a list of values")
    for name in given:
        if name not in OPTIONS:
            raise ValueError(f"has no {name}{nearest(name, OPTIONS)}")
    if not {"low", "high"} <= given.keys():
        raise ValueError("needs low and high")
    log = coerce(given.get("log", False), False)
    low, high = coerce(given["low"], default), coerce(given["high"], default)
    step = None if given.get("step") is None else coerce(given["step"], default)
    if not low < high < math.inf or low == -math.inf:
        raise ValueError(f"needs a low below high, got {low} and {high}")
    if log and (low <= 0 or step is not None):
        raise ValueError("with log needs a low above 0, and no step")
    if step is not None and not (high - low) / STEPS <= step <= high - low:
        raise ValueError(f"needs a step of {(high - low) / STEPS:g} to {high - low:g}, got {step}")
    if step is not None and _exact(high, low) % _exact(step):
        raise ValueError(f"needs a high that is low and a number of steps, got {high}")
    for end in (low, high):
        if complaint := key_complaint(key, end):
            raise ValueError(complaint)
    return Range(key, low, high, log, step)


def check_effects(space: Space, cfg: CfgNode) -> None:
    """Raise ConfigError where other keys switch one off in each of some random points of the space around `cfg`."""
    generator, problems = _Random(0), []
    points = [with_values(cfg, space.suggest(generator), check=False) for _ in range(SAMPLED)]
    for key in space.keys:
        changed = [point for point in points if value_of(point, key) != KEYS[key].default]
        reasons = [next((why for _, why in without_effect(point, [key])), "") for point in changed]
        if reasons and all(reasons):
            problems.append(f"{space.places[key]}: {key} has no effect: {reasons[0]}")
    if problems:
        raise ConfigError(listed(problems))


class _Random(random.Random):
    """Suggests random values, without Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> Any:
        return self.choice(choices)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return self.randrange(low, high + 1, step)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        return self.uniform(low, high)
