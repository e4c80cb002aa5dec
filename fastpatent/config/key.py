"""One configuration key: default, constraint, meaning, and whether it decides features."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from fastpatent.errors import shown
from fastpatent.registry import Registry


class Rule(NamedTuple):
    """What a value may be: a test, and the requirement in words that follow "must be"."""

    test: Callable[[Any], bool]
    words: str

    def complaint(self, value: Any) -> str:
        """Return what is wrong with a value; empty where it is valid."""
        try:
            valid = self.test(value)
        except TypeError:  # elements of another type, in a list whose default is empty
            valid = False
        return "" if valid else f"must be {self.words}, got {shown(value)}"


class Component(NamedTuple):
    """The value, or each value of a list, is the name of a registered component.

    Attributes:
        registry: of its kind.
        others: further valid values, such as "" for none.
    """

    registry: Registry
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The requirement in words."""
        return f"a registered {self.registry.kind}" + "".join(f", or {other!r}" for other in self.others)

    def complaint(self, value: Any) -> str:
        """Return what is wrong with the first name that is not registered; empty where all are."""
        names: Iterable[Any] = value if isinstance(value, (list, tuple)) else [value]
        return next(filter(None, (self.registry.complaint(name) for name in names if name not in self.others)), "")


# Whose features a key decides. A Key decides all of them unless its row says otherwise, so that features of an earlier
# setting are not served where somebody forgot to think of them.
EVERY, NETWORK, NONE = "every feature", "features of networks", "no feature"

# What a value does that differs from that of the run when it is resumed.
APPLIED, AT_START, FIXED = "takes effect", "matters at the start of a run only", "is refused"


class Key(NamedTuple):
    """One row of the table of keys.

    Attributes:
        name: dotted.
        default: bool, int, float, str, list or tuple; its type is the key's.
        meaning: one line.
        rule: Rule or Component; None where any value of the type is valid.
        features: EVERY, NETWORK or NONE.
        ours: whether fast-reid lacks the key.
        ignored: whether the key is accepted for the files of fast-reid and has no effect.
        resumed: APPLIED, AT_START or FIXED.
        path: whether the value is a path, or a list of them, in which `~` and variables are expanded.
        single: whether one text stands for the list of it; for a key whose default is a list.
    """

    name: str
    default: Any
    meaning: str
    rule: Rule | Component | None = None
    features: str = EVERY
    ours: bool = False
    ignored: bool = False
    resumed: str = APPLIED
    path: bool = False
    single: bool = False


# Rows that say otherwise; "Our": fast-reid lacks the key.
NoFeature = partial(Key, features=NONE)
OurNoFeature = partial(Key, features=NONE, ours=True)
Network = partial(Key, features=NETWORK)
OurNetwork = partial(Key, features=NETWORK, ours=True)
Ignored = partial(Key, features=NONE, ignored=True)


def one_of(*choices: str) -> Rule:
    """Return the rule of a fixed set of values."""
    return Rule(lambda value: value in choices, f"{', '.join(choices[:-1])} or {choices[-1]}")


def at_least(low: float, most: float = math.inf) -> Rule:
    """Return the rule of a finite number from `low` on, and up to `most` where larger ones would exhaust the memory."""
    words = f"at least {low}" if most == math.inf else f"between {low} and {most}"
    return Rule(lambda value: low <= value <= most and value < math.inf, words)


def is_positive(value: float) -> bool:
    """Return whether a number is finite and above 0."""
    return 0 < value < math.inf


def is_range(value: list[float]) -> bool:
    """Return whether a value is [smallest, largest], both positive."""
    return len(value) == 2 and 0 < value[0] <= value[1] < math.inf


POSITIVE = Rule(is_positive, "above 0")
FRACTION = Rule(lambda value: 0 <= value <= 1, "between 0 and 1")
BELOW_ONE = Rule(lambda value: 0 <= value < 1, "at least 0 and below 1")
SIDE = 2**14  # pixels; A0 at 300 dpi has 14,043
SIZE = Rule(
    lambda value: len(value) == 2 and 0 < min(value) <= max(value) <= SIDE, f"two sizes of 1 to {SIDE}, [height, width]"
)
CHANNELS = Rule(lambda value: len(value) in (1, 3) and all(map(math.isfinite, value)), "one number, or three")
DEVIATIONS = Rule(lambda value: CHANNELS.test(value) and min(value) > 0, "one number above 0, or three")
AREA = Rule(lambda value: is_range(value) and value[1] <= 1, "two fractions of the area, [smallest, largest]")
