"""What a benchmark holds: the figures of several systems on one data set, with intervals, and how they were made."""

from dataclasses import dataclass, field
from typing import NamedTuple

FIGURES = ("mAP", "Acc@1", "Acc@5", "Acc@20", "mAP@10", "mAP@max")
GROWTH_FIGURES = ("mAP", "Acc@1", "Acc@10")


class Figure(NamedTuple):
    """A mean over queries, and its 95% interval when the patents are drawn anew."""

    mean: float
    low: float
    high: float


@dataclass
class SystemResult:
    """The figures of one system.

    Attributes:
        system: name for tables.
        source: the configuration file or run it came from.
        dim: numbers a drawing.
        figures: {name of FIGURES: Figure}. mAP@max is AP cut at the largest number of relevant drawings of any query, as
            Higuchi & Yanai print it.
        without_twin: the same with the front-page drawing of a query's own patent taken out of its relevant drawings and of
            the database.
        growth: {name of GROWTH_FIGURES: list of float, one for each of Benchmark.sizes}; empty where not measured.
    """

    system: str
    source: str
    dim: int
    figures: dict
    without_twin: dict
    growth: dict = field(default_factory=dict)


@dataclass
class Benchmark:
    """What `fastpatent benchmark` found on one data set.

    Attributes:
        dataset: its name.
        counts: {"queries", "database", "patents" (of the queries), "front pages" (in the database, of their patents): int}.
        results: list of SystemResult.
        published: list of (system, source, {name: float}) printed elsewhere for this very data set, if any.
        sizes: database sizes of the growth curves, ascending; empty where there are none.
        made: {what: text}: date, command, machine, device, versions, seed, resamples.
    """

    dataset: str
    counts: dict
    results: list
    published: list
    sizes: list
    made: dict
