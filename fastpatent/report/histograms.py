"""Histograms of drawing statistics, one panel per quantity, one outline per group (DeepPatent paper, section 3.3)."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fastpatent.data.statistics import ASPECT, COMPONENTS, INK_SHARE, PER_PATENT, PUBLISHED_COMPONENTS, QUANTITIES
from fastpatent.files import write_atomically
from fastpatent.report.plot_style import COLOURS, LABEL, STYLE
from fastpatent.text import short_line

BINS, COLUMNS = 40, 3
LOG_TICKS = {
    COMPONENTS: (10, (1,)),
    INK_SHARE: (10, (1, 2, 5)),
    ASPECT: (2, (1,)),
}  # base and multiples of a logarithmic axis; other axes are linear


def write_histograms(groups: dict[str, dict[str, np.ndarray]], path: str | Path, dpi: float = 150) -> None:
    """Write a PNG with a panel per quantity; an outline is the share of a group's drawings (or patents) in each bin.

    A dashed line is a group's median, the dotted line DeepPatent's as published. Drawings without ink are missing on a
    logarithmic axis.

    Args:
        groups: {name: {quantity: float array}} as from `quantities`.
        path: the file to write.
        dpi: pixels per inch; the picture is 11 inches wide.
    """
    rows = -(-len(QUANTITIES) // COLUMNS)
    with rc_context(STYLE):
        figure = Figure((11, 3.1 * rows), layout="constrained")
        panels = figure.subplots(rows, COLUMNS).flat
        for panel, quantity in zip(panels, QUANTITIES):
            _draw(panel, quantity, {name: values[quantity] for name, values in groups.items()})
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False, title="dashed: median")
        write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=dpi))


def bin_edges(quantity: str, values: np.ndarray) -> np.ndarray | None:
    """Return ascending bin edges that enclose all positive values; None if there are none."""
    positive = values[values > 0]
    if not len(positive):
        return None
    smallest, largest = positive.min(), positive.max()
    if quantity == COMPONENTS:  # small counts get one bin each
        return np.unique(np.round(np.geomspace(smallest, largest + 1, BINS + 1))) - 0.5
    if quantity == PER_PATENT:
        step = max(1, round((largest - smallest) / BINS))
        return np.arange(smallest, largest + step + 1, step) - 0.5
    spaced = np.geomspace if quantity in LOG_TICKS else np.linspace
    return spaced(smallest / 1.01, largest * 1.01, BINS + 1)  # wider, so that bins are not empty if all values are equal


def _draw(panel: Axes, quantity: str, groups: dict[str, np.ndarray]) -> None:
    panel.set_title(quantity)
    panel.set_axisbelow(True)
    edges = bin_edges(quantity, np.concatenate(list(groups.values())))
    if edges is None:
        return
    for (name, values), colour in zip(groups.items(), COLOURS * len(groups)):
        if len(values):
            shares = np.histogram(values, edges)[0] / len(values)
            panel.stairs(shares, edges, color=colour, linewidth=1.4, label=short_line(name, LABEL))
            panel.axvline(np.median(values), color=colour, linestyle="--", linewidth=1)
    if quantity == COMPONENTS:
        median = PUBLISHED_COMPONENTS["DeepPatent"]
        panel.axvline(median, color="black", linestyle=":", linewidth=1.4, label=f"DeepPatent as published, median {median}")
    _scale(panel, quantity)


def _scale(panel: Axes, quantity: str) -> None:
    if quantity in LOG_TICKS:
        base, multiples = LOG_TICKS[quantity]
        panel.set_xscale("log", base=base)
        panel.xaxis.set_major_locator(LogLocator(base, multiples, numticks=12))
        panel.xaxis.set_minor_formatter(NullFormatter())
    else:
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panel.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:g} %" if quantity == INK_SHARE else f"{value:,g}")
    )
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_locator(MaxNLocator(5))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
