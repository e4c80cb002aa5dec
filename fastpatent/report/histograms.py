"""Histograms of what drawings are like, one panel a quantity and one outline a group (DeepPatent paper, section 3.3)."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fastpatent.data.statistics import ASPECT, COMPONENTS, INK_SHARE, PER_PATENT, PUBLISHED_COMPONENTS, QUANTITIES
from fastpatent.files import write_atomically
from fastpatent.report.plot_style import COLOURS, STYLE

BINS, COLUMNS = 40, 3
LOG_TICKS = {
    COMPONENTS: (10, (1,)),
    INK_SHARE: (10, (1, 2, 5)),
    ASPECT: (2, (1,)),
}  # base and multiples; other axes are linear


def write_histograms(groups, path, dpi=150):
    """Write one PNG of a panel for each quantity; an outline is the share of a group's drawings (or patents) in each bin.

    A dashed line is a group's median, the dotted one what the paper gives for DeepPatent. Drawings without ink have no place
    on a logarithmic axis and are missing from the outline.

    Args:
        groups: {name: {quantity: float array}} as from `quantities`.
        path: the file to write.
        dpi: pixels an inch; the picture is 11 inches wide.
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


def bin_edges(quantity, values):
    """Return ascending edges, of the bins of a quantity, around all positive values; None where none is positive."""
    positive = values[values > 0]
    if not len(positive):
        return None
    smallest, largest = positive.min(), positive.max()
    if quantity == COMPONENTS:  # few components: a bin for each number
        return np.unique(np.round(np.geomspace(smallest, largest + 1, BINS + 1))) - 0.5
    if quantity == PER_PATENT:
        step = max(1, round((largest - smallest) / BINS))
        return np.arange(smallest, largest + step + 1, step) - 0.5
    spaced = np.geomspace if quantity in LOG_TICKS else np.linspace
    return spaced(smallest / 1.01, largest * 1.01, BINS + 1)  # wider, so that there are bins where all values are equal


def _draw(panel, quantity, groups):
    panel.set_title(quantity, parse_math=False)
    panel.set_axisbelow(True)
    edges = bin_edges(quantity, np.concatenate(list(groups.values())))
    if edges is None:
        return
    for (name, values), colour in zip(groups.items(), COLOURS * len(groups)):
        if len(values):
            shares = np.histogram(values, edges)[0] / len(values)
            panel.stairs(shares, edges, color=colour, linewidth=1.4, label=name)
            panel.axvline(np.median(values), color=colour, linestyle="--", linewidth=1)
    if quantity == COMPONENTS:
        median = PUBLISHED_COMPONENTS["DeepPatent"]
        panel.axvline(median, color="black", linestyle=":", linewidth=1.4, label=f"DeepPatent as published, median {median}")
    _scale(panel, quantity)


def _scale(panel, quantity):
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
