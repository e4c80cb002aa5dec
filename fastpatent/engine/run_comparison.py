"""Whether two runs have learned the same: their losses and metrics, epoch by epoch."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastpatent.text import short_line

LOSSES, METRICS = "losses", "metrics"
MOST_NUMBERS = 10_000  # of a line that are compared


class Difference(NamedTuple):
    """How the numbers of one kind differ between two histories.

    Attributes:
        compared: how many numbers of the first there are.
        epochs: in how many epochs.
        first: the first epoch in which one differs, 0 where all are equal to the bit.
        largest: the largest absolute difference, inf where a number is missing in the second.
        where: the epoch and name of it, and the two numbers, in words.
    """

    compared: int
    epochs: int
    first: int = 0
    largest: float = 0.0
    where: str = ""

    def sentence(self, kind: str) -> str:
        """Say it in words that follow the name of the kind."""
        if not self.compared:
            return f"{kind}: none to compare"
        epochs = f"{self.epochs} epoch{'s' * (self.epochs > 1)}"
        if not self.first:
            return f"{kind}: equal to the bit, {self.compared} numbers of {epochs}"
        return f"{kind}: differ from epoch {self.first} on, of {epochs}; the largest difference is {self.where}"


def compare(then: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]]) -> dict[str, Difference]:
    """Compare two histories; return {LOSSES, METRICS: Difference} over the epochs of the first.

    Args:
        then, now: lines of history.jsonl, see `History`.
    """
    later = {line["epoch"]: line for line in now}
    return {kind: _difference(kind, then, later) for kind in (LOSSES, METRICS)}


def _difference(kind: str, then: Sequence[dict[str, Any]], later: dict[int, dict[str, Any]]) -> Difference:
    compared, epochs, first, largest, where = 0, 0, 0, 0.0, ""
    for line in then:
        epoch, old = line["epoch"], _numbers(kind, line)
        new = _numbers(kind, later.get(epoch, {}))
        compared, epochs = compared + len(old), epochs + bool(old)
        for name, value in old.items():
            found = new.get(name)
            if name in new and value == found:
                continue
            gap = abs(value - found) if value is not None and found is not None else math.inf
            first = first or epoch
            if gap > largest:
                numbers = f"{_shown(value)} then, {_shown(found, name in new)} now"
                size = f"{gap:.3g}: " if gap < math.inf else ""
                largest, where = gap, f"{size}{short_line(name)} of epoch {epoch}, {numbers}"
    return Difference(compared, epochs, first, largest, where)


def _numbers(kind: str, line: dict[str, Any]) -> dict[str, float | None]:
    """Return {name: number, None for NaN} of a line."""
    found = line.get("losses" if kind == LOSSES else "tests")
    parts = [("", found)] if kind == LOSSES else [*found.items()] if isinstance(found, dict) else []
    numbers = {
        f"{test_set}/{name}" if test_set else str(name): value
        for test_set, part in parts
        if isinstance(part, dict)
        for name, value in part.items()
        if value is None or isinstance(value, (int, float)) and abs(value) < 1e300
    }
    return dict(list(numbers.items())[:MOST_NUMBERS])


def _shown(value: float | None, known: bool = True) -> str:
    return "missing" if not known else "NaN" if value is None else f"{value:.8g}"
