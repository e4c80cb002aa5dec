"""The charts of a sweep: what its trials reached by epoch or by number, which keys matter, and which values go together."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastpatent.config.report import short_value
from fastpatent.report.plot_style import COLOURS
from fastpatent.retrieval.metrics import Metric
from fastpatent.text import short_line
from fastpatent.tuning.space import Axis, Choice, Space
from fastpatent.tuning.study import Row

LABEL = 24  # characters of a value
TICKS = 8  # most values that are named on an axis
PALE = "#b0b5ba"


def progress_figure(rows: Sequence[Row], metric: str, formula: Metric, best: Row | None) -> Figure:
    """Plot what the trials reached: by epoch where they were evaluated more than once, else by their number."""
    figure = Figure((8, 4), layout="constrained")
    panel = figure.subplots()
    panel.set_ylabel(metric)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if any(len(row.curve) > 1 for row in rows):
        for row in rows:
            style = "--" if row.state == "pruned" else "-"
            panel.plot([*row.curve], [*row.curve.values()], style, color=PALE, linewidth=1, marker="o", markersize=2.5)
        if best:
            panel.plot(
                [*best.curve], [*best.curve.values()], color=COLOURS[0], marker="o", label=f"trial {best.number}, the best"
            )
        panel.plot([], [], "--", color=PALE, label="pruned")
        panel.set_xlabel("epoch")
    else:
        reached = [(row.number, row.value) for row in rows if row.value is not None]
        numbers, values = zip(*reached)
        running = (np.maximum if formula.greater_is_better else np.minimum).accumulate(values)
        panel.plot(numbers, values, "o", color=PALE, markersize=4, label="a trial")
        panel.step(numbers, running, where="post", color=COLOURS[0], label="the best so far")
        panel.set_xlabel("trial")
    panel.legend(frameon=False)
    return figure


def importance_figure(importance: Mapping[str, float]) -> Figure:
    """Plot the share of each key in the variance as bars, the largest on top."""
    keys = sorted(importance, key=lambda key: importance[key])
    figure = Figure((8, 1 + 0.32 * len(keys)), layout="constrained")
    panel = figure.subplots()
    panel.barh(keys, [importance[key] for key in keys], color=COLOURS[0], height=0.6)
    panel.set_xlabel("share of the variance")
    panel.set_xlim(0, 1)
    panel.grid(axis="y", visible=False)
    return figure


def parallel_figure(rows: Sequence[Row], space: Space, metric: str, formula: Metric) -> Figure:
    """Plot every trial that reached something as a line over one axis a key and one of the metric; the best are darkest."""
    sign = 1 if formula.greater_is_better else -1
    shown = sorted((row for row in rows if row.value is not None), key=lambda row: sign * (row.value or 0))
    values = np.array([row.value for row in shown], float)
    low, high = values.min(), values.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    figure = Figure((max(8, 1.8 * (1 + len(space.axes))), 4.4), layout="constrained")
    panel = figure.subplots()
    for order, row in enumerate(shown):
        heights = [_height(axis, row.params.get(axis.key)) for axis in space.axes]
        share = order / max(1, len(shown) - 1)
        colour = colormaps["YlGnBu"](0.2 + 0.8 * share)
        style = "--" if row.state == "pruned" else "-"
        panel.plot(
            [*heights, (values[order] - low) / (high - low)], style, color=colour, linewidth=1 + share, zorder=2 + share
        )
    for place, axis in enumerate(space.axes):
        _dress(panel, place, _ticks(axis))
    _dress(panel, len(space.axes), [(share, f"{low + share * (high - low):.3f}") for share in (0, 0.25, 0.5, 0.75, 1)])
    panel.set_xticks(range(len(space.axes) + 1), [*(axis.key.replace(".", ".\n") for axis in space.axes), metric])
    panel.set_xlim(-0.1, len(space.axes) + 0.5)
    panel.set_ylim(-0.04, 1.04)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.grid(visible=False)
    return figure


def _dress(panel: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    panel.axvline(place, color="#666666", linewidth=0.8, zorder=1)
    for height, text in ticks:
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5}
        panel.text(place + 0.03, height, text, fontsize=7.5, va="center", zorder=5, bbox=box)


def _height(axis: Axis, param: object) -> float:
    """Return where a value lies on its axis, 0 to 1; NaN where a trial has none."""
    if param is None:
        return math.nan
    if isinstance(axis, Choice):
        return axis.texts.index(str(param)) / max(1, len(axis.values) - 1)
    low, high, value = (math.log(end) if axis.log else end for end in (axis.low, axis.high, float(str(param))))
    return (value - low) / (high - low)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    if isinstance(axis, Choice):
        every = math.ceil(len(axis.values) / TICKS)
        named = [(_height(axis, text), short_value(value)) for text, value in zip(axis.texts, axis.values)]
        return [(height, short_line(text, LABEL)) for height, text in named[::every]]
    shares = (0, 0.25, 0.5, 0.75, 1)
    if axis.log:
        return [(share, f"{axis.low * (axis.high / axis.low) ** share:.2g}") for share in shares]
    return [(share, f"{axis.low + share * (axis.high - axis.low):.3g}") for share in shares]
