"""Metrics against database size (DeepPatent paper, figure 3), one panel per metric and one line per system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator

from fastpatent.evaluation.benchmark import GROWTH_FIGURES, Benchmark
from fastpatent.files import write_atomically
from fastpatent.report.benchmark.tables import ranked
from fastpatent.report.picture import SOFTWARE
from fastpatent.report.plot_style import COLOURS, LABEL, STYLE
from fastpatent.text import short_line

MARKERS = "os^DvP*X<"  # 9, coprime with the 7 colours: 63 systems have different looks
LINE_HEIGHT = 0.19  # inches per label


def write_growth_plot(benchmark: Benchmark, path: str | Path, dpi: float = 200) -> None:
    """Write `growth_figure` as PNG, cropped to its content."""
    with rc_context(STYLE):
        figure = growth_figure(benchmark)
        cut: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.15}
        write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=dpi, metadata={"Software": SOFTWARE}, **cut))


def growth_figure(benchmark: Benchmark) -> Figure:
    """Plot the curves of all systems that have them, labelled at their ends in the last panel.

    Args:
        benchmark: Benchmark with two or more `sizes`, and at least one result with `growth`.
    """
    curves = [result for result in ranked(benchmark.results) if result.growth]
    height = max(3.0, LINE_HEIGHT * len(curves))  # of the panels, in inches; the rest is for titles and labels
    whole = height + 0.9
    figure = Figure((3 * len(GROWTH_FIGURES) + 0.6, whole))
    figure.subplots_adjust(left=0.05, right=0.98, wspace=0.25, top=1 - 0.35 / whole, bottom=0.55 / whole)
    panels = figure.subplots(1, len(GROWTH_FIGURES))
    looks: list[dict[str, Any]] = [
        {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4.5}
        for number in range(len(curves))
    ]
    for panel, name in zip(panels, GROWTH_FIGURES):
        for result, look in zip(curves, looks):
            panel.plot(benchmark.sizes, result.growth[name], **look, linewidth=1.4, clip_on=False)
        _dress(panel, name, benchmark.sizes)
    ends = [result.growth[GROWTH_FIGURES[-1]][-1] for result in curves]
    _label(panels[-1], [short_line(result.system, LABEL) for result in curves], ends, looks, LINE_HEIGHT / height)
    return figure


def _dress(panel: Axes, name: str, sizes: Sequence[int]) -> None:
    panel.set_title(name)
    panel.set_xscale("log")
    panel.set_xlim(sizes[0] * (sizes[0] / sizes[-1]) ** 0.05, sizes[-1])
    ticks = _apart(sizes, 0.25)
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_major_formatter(FixedFormatter([f"{size:,}" for size in ticks]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("drawings in the database (log scale)")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3f}".removeprefix("0").removesuffix("0")))


def _apart(sizes: Sequence[int], share: float) -> list[int]:
    """Return the first and last size, and those between that are at least `share` of the logarithmic axis apart."""
    places = np.log(sizes) / np.log(sizes[-1] / sizes[0])
    kept = [0]
    for number in range(1, len(sizes) - 1):
        if places[number] - places[kept[-1]] >= share <= places[-1] - places[number]:
            kept.append(number)
    return [sizes[number] for number in [*kept, len(sizes) - 1]]


def _label(
    panel: Axes, names: Sequence[str], ends: Sequence[float], looks: Sequence[dict[str, Any]], spacing: float
) -> None:
    """Label every line at its right end, in the order of the ends, at least `spacing` of the panel height apart."""
    top = panel.get_ylim()[1]
    upwards = sorted(range(len(names)), key=lambda line: ends[line])
    places = _spread([ends[line] / top for line in upwards], spacing)
    beside = panel.get_yaxis_transform()  # x in panel widths, y in data units
    for line, place in zip(upwards, places):
        colour, height = looks[line]["color"], place * top
        panel.plot([1.0, 1.07], [ends[line], height], color=colour, linewidth=0.7, transform=beside, clip_on=False)
        panel.plot([1.09], [height], **looks[line], transform=beside, clip_on=False)
        panel.text(1.12, height, names[line], transform=beside, va="center", fontsize=8.5)


def _spread(places: Sequence[float], spacing: float) -> list[float]:
    """Move ascending positions apart until neighbours are `spacing` apart; groups stay centred on their mean."""
    crowds: list[tuple[float, int]] = []  # (middle, members)
    for place in places:
        crowds.append((place, 1))
        while len(crowds) > 1 and crowds[-1][0] - crowds[-2][0] < spacing * (crowds[-1][1] + crowds[-2][1]) / 2:
            (upper, above), (lower, below) = crowds.pop(), crowds.pop()
            crowds.append(((upper * above + lower * below) / (above + below), above + below))
    return [middle + spacing * (member - (members - 1) / 2) for middle, members in crowds for member in range(members)]
