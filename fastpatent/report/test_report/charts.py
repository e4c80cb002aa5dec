"""The charts of a test's page."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fastpatent.evaluation.analysis.group_figures import GroupFigure
from fastpatent.evaluation.analysis.pair_scores import PairScores
from fastpatent.evaluation.analysis.rank_curves import RankCurves
from fastpatent.report.plot_style import COLOURS, STYLE, chart_url
from fastpatent.text import short_line

BARS = 80  # of the distributions
MOST_LABELS = 12  # of a grouping
LABEL = 24  # characters
BLUE, ORANGE, GREEN = COLOURS[:3]


def precision_histogram(average_precision: np.ndarray) -> Markup:
    """Draw how many queries have which AP, of float64 [queries]; NaN counts as nothing."""
    figure, panel = _panel("Queries by AP", "AP", "queries")
    panel.hist(
        average_precision[~np.isnan(average_precision)], np.linspace(0, 1, 21).tolist(), color=BLUE, edgecolor="white"
    )
    return _url(figure)


def score_distributions(scores: PairScores, metric: str) -> Markup:
    """Draw the shares of right and of wrong pairs over the score, or of all pairs and first answers where none is right."""
    figure, panel = _panel("Scores of pairs", "cosine" if metric == "cosine" else "negative distance", "share of pairs")
    if scores.right.any():
        curves = {"right pairs": scores.right, "wrong pairs": scores.wrong}
    else:
        first = np.histogram(scores.scores[:, 0], scores.edges)[0] if scores.scores.shape[1] else scores.unknown
        curves = {"first answers": first, "all pairs": scores.wrong + scores.unknown}
    used = np.flatnonzero(sum(curves.values()))
    if len(used):
        step = -(-(used[-1] - used[0] + 1) // BARS)
        starts = np.arange(used[0], used[-1] + 1, step)
        ends = np.minimum(np.append(starts[1:], starts[-1] + step), len(scores.right))
        edges = scores.edges[np.append(starts, ends[-1])]
        for (name, counts), colour, dashes in zip(curves.items(), (GREEN, ORANGE), ("-", "--")):
            shares = np.add.reduceat(counts[: ends[-1]], starts) / max(counts.sum(), 1)
            panel.stairs(shares, edges, color=colour, linestyle=dashes, linewidth=1.6, label=name)
            panel.stairs(shares, edges, color=colour, alpha=0.15, fill=True)
        if not np.isnan(scores.overlap[0]):
            panel.axvline(scores.overlap[0], color="#444444", linestyle=":", label="threshold of fewest errors")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    return _url(figure)


def rank_chart(curves: RankCurves) -> Markup:
    """Draw precision, recall and CMC over the rank."""
    figure, panel = _panel("What the first ranks hold", "rank", "")
    ranks = np.arange(1, len(curves.precision) + 1)
    for values, name, colour, dashes in (
        (curves.precision, "precision", BLUE, "-"),
        (curves.most, "highest possible precision", BLUE, ":"),
        (curves.recall, "recall", ORANGE, "--"),
        (curves.matched, "queries with a correct answer (CMC)", GREEN, "-."),
    ):
        panel.plot(ranks, values, color=colour, linestyle=dashes, linewidth=1.6, label=name)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    panel.set_ylim(0, 1.02)
    return _url(figure)


def group_chart(groups: Sequence[GroupFigure]) -> Markup:
    """Draw the mAP of the groups of one grouping with intervals; of many, those of most queries, in their order."""
    least = sorted((group.queries for group in groups), reverse=True)[:MOST_LABELS][-1]
    groups = [group for group in groups if group.queries >= least][:MOST_LABELS][::-1]
    means = np.array([group.figure.mean for group in groups])
    ends = np.nan_to_num(np.array([[group.figure.low, group.figure.high] for group in groups]) - means[:, None])
    figure, panel = _panel(groups[0].grouping, "mAP, 95% interval", "", 1.1 + 0.25 * len(groups))
    panel.errorbar(means, range(len(groups)), xerr=np.abs(ends).T, fmt="o", color=BLUE, capsize=3)
    panel.set_yticks(range(len(groups)), [short_line(group.label, LABEL) for group in groups])
    panel.set_ylim(-0.6, len(groups) - 0.4)
    panel.set_xlim(0, 1)
    return _url(figure)


def _panel(title: str, x: str, y: str, height: float = 3.6) -> tuple[Figure, Axes]:
    with rc_context(STYLE):
        figure = Figure((6.4, height), layout="constrained")
        panel = figure.subplots()
        panel.set_title(title)
        panel.set_xlabel(x)
        panel.set_ylabel(y)
        panel.set_axisbelow(True)
    return figure, panel


def _url(figure: Figure) -> Markup:
    if figure.axes[0].get_legend_handles_labels()[1]:
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    with rc_context(STYLE):
        return chart_url(figure)
