"""A comparison of two systems: a table for the terminal, a page, and the figures of every query as CSV."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.data.records import names_below
from fastpatent.data.tables import write_csv
from fastpatent.evaluation.comparison import Comparison, Difference, PairedResult, largest_changes
from fastpatent.evaluation.intervals import FEWEST
from fastpatent.files import check_output, write_atomically
from fastpatent.report.gallery import answers_of, page_items
from fastpatent.report.page import is_page, render
from fastpatent.report.plot_style import COLOURS, STYLE, chart_url
from fastpatent.text import short_line

TEMPLATE, PAGE, TABLE = "comparison.html", "index.html", "queries.csv"
SHOWN, ANSWERS = 8, 10  # gains, and as many losses; answers of each
NAME = 60  # characters of a system's name in a line with others
METRIC, *FIGURES = ("metric", "A", "B", "B - A", "95% interval", "excludes 0")
OF_GROUPS = ("queries", "patents", *(f"mAP of {figure}" for figure in "AB"), *FIGURES[2:], "better", "equal", "worse")


def comparison_table(found: PairedResult) -> Table:
    """Lay out the metrics of a comparison for the terminal."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column(METRIC)
    for column in FIGURES:
        table.add_column(column, justify="right", no_wrap=True)
    for name, difference in found.overall.figures.items():
        table.add_row(name, *_cells(difference))
    return table


def check_comparison(folder: Path) -> None:
    """Raise DataError where a folder has a file that a comparison would replace and that none has written."""
    for name in (PAGE, TABLE):
        check_output(folder / name, "--out", lambda _: is_page(folder / PAGE, TEMPLATE))


def write_comparison(found: PairedResult, sides: Sequence[tuple[str, str]], root: str, folder: Path) -> list[Path]:
    """Write the page and the table of queries into a folder.

    Args:
        found: PairedResult.
        sides: (name, run or configuration) of A and of B.
        root: DATASETS.ROOT of A.
        folder: existing output folder, see `check_comparison`.

    Returns:
        the two paths.
    """
    page, table = folder / PAGE, folder / TABLE
    text = _page(found, sides)
    write_atomically(page, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    write_atomically(table, lambda temporary: write_csv(temporary, _rows(found, root)))
    return [page, table]


def systems(found: PairedResult, sides: Sequence[tuple[str, str]]) -> list[str]:
    """Say what A and B are; `sides` as of `write_comparison`."""
    evaluations = (found.a, found.b)
    return [f"{side}: {name}, {of.name} ({source})" for side, of, (name, source) in zip("AB", evaluations, sides)]


def sentences(found: PairedResult) -> list[str]:
    """Say what was compared, how many queries gained, what the interval is, and what makes the figures doubtful."""
    overall, splits = found.overall, found.a.splits
    better, equal, worse = (f"{count:,} ({count / overall.queries:.1%})" for count in overall[2:5])
    return [
        f"{overall.queries:,} queries of {overall.patents:,} patents of {splits.name} in {len(splits.gallery):,} images",
        f"AP with B: better for {better} of the queries, equal for {equal}, worse for {worse}",
        "95% interval of B - A: paired bootstrap over patents"
        + (f", for which fewer than {FEWEST} are too few" if overall.patents < FEWEST else ""),
        *dict.fromkeys(f"warning: {warning}" for warning in (*found.a.warnings, *found.b.warnings)),
    ]


def _cells(difference: Difference) -> list[str]:
    """Write a Difference in the columns FIGURES."""
    change = difference.change
    known = change.low == change.low
    interval = f"{change.low:+.4f} to {change.high:+.4f}" if known else "unknown"
    excludes = ("yes" if difference.excludes_zero else "no") if known else "unknown"
    return [f"{difference.a:.4f}", f"{difference.b:.4f}", f"{change.mean:+.4f}", interval, excludes]


def _group_cells(label: str, group: Comparison) -> list[str]:
    """Write a Comparison of one figure in the columns OF_GROUPS, after its label."""
    (difference,) = group.figures.values()
    counts = [f"{count:,}" for count in group[:5]]
    return [label, *counts[:2], *_cells(difference), *counts[2:]]


def _rows(found: PairedResult, root: str) -> Iterator[list[Any]]:
    """Yield the rows of TABLE."""
    queries = [found.a.splits.query[row] for row in found.rows_a]
    a, b = found.a.metrics, found.b.metrics
    assert a and b, "compared evaluations have metrics"
    yield [
        "query",
        "identity",
        *found.labels,
        "relevant",
        "AP of A",
        "AP of B",
        "B - A",
        "first rank of A",
        "first rank of B",
    ]
    columns = [
        names_below(root, queries),
        [sample.identity for sample in queries],
        *found.labels.values(),
        a.relevant[found.rows_a].tolist(),
        found.precision_a.tolist(),
        found.precision_b.tolist(),
        (found.precision_b - found.precision_a).tolist(),
        a.first_hit[found.rows_a].tolist(),
        b.first_hit[found.rows_b].tolist(),
    ]
    yield from map(list, zip(*columns))


def _page(found: PairedResult, sides: Sequence[tuple[str, str]]) -> str:
    gains, losses = largest_changes(found.precision_b - found.precision_a, found.patents, SHOWN)
    a, b = (short_line(name, NAME) for name, _ in sides)
    return render(
        TEMPLATE,
        f"{a} and {b} on {found.a.splits.name}",
        facts=systems(found, sides),
        sentences=sentences(found),
        columns=_columns((METRIC, *FIGURES)),
        metrics=[[name, *_cells(difference)] for name, difference in found.overall.figures.items()],
        scatter=_scatter(found),
        changes=[("gains", [_change(found, row) for row in gains]), ("losses", [_change(found, row) for row in losses])],
        fewest=FEWEST,
        groups=[
            (grouping, _columns((grouping, *OF_GROUPS)), [_group_cells(*item) for item in groups.items()])
            for grouping, groups in found.groups.items()
        ],
    )


def _columns(titles: Sequence[str]) -> list[dict[str, Any]]:
    return [{"title": title, "number": place > 0} for place, title in enumerate(titles)]


def _scatter(found: PairedResult) -> Markup:
    """Draw the AP of every query with B against that with A."""
    signs = np.sign(found.precision_b - found.precision_a)
    with rc_context(STYLE):
        figure = Figure((4.6, 4.6), layout="constrained")
        axes = figure.add_subplot(xlabel="AP with A", ylabel="AP with B", aspect="equal")
        axes.plot([0, 1], [0, 1], color="#666666", linewidth=0.8)
        for sign, name, marker, colour in (
            (1, "better", "^", COLOURS[0]),
            (0, "equal", "o", "#666666"),
            (-1, "worse", "v", COLOURS[1]),
        ):
            of = signs == sign
            look = {"s": 16, "color": colour, "marker": marker, "alpha": 0.5, "linewidths": 0}
            axes.scatter(found.precision_a[of], found.precision_b[of], **look, label=f"{name} ({of.sum():,})")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, handletextpad=0)
        return chart_url(figure, "png")


def _change(found: PairedResult, row: int) -> dict[str, Any]:
    """Return what the page shows of a query: its title and labels, and what A and B answer."""
    sides = []
    for side, evaluation, rows, precision in (
        ("A", found.a, found.rows_a, found.precision_a),
        ("B", found.b, found.rows_b, found.precision_b),
    ):
        metrics, query = evaluation.metrics, rows[row]
        assert metrics, "compared evaluations have metrics"
        first, relevant = metrics.first_hit[query], metrics.relevant[query]
        what = f"{side}: AP {precision[row]:.3f}, first of {relevant:,} relevant at rank {first:,}"
        sides.append((what, page_items(answers_of(evaluation, query, ANSWERS))))
    identity = found.a.splits.query[found.rows_a[row]].identity
    change = found.precision_b[row] - found.precision_a[row]
    labels = ", ".join(f"{grouping} {labels[row]}" for grouping, labels in found.labels.items())
    return {"title": f"{short_line(str(identity), NAME)}: AP {change:+.3f}", "labels": labels, "sides": sides}
