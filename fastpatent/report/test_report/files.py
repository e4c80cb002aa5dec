"""Where the pages of a test lie, and its figures by query as CSV."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from fastpatent.data.records import Splits, names_below
from fastpatent.data.tables import write_csv
from fastpatent.files import check_output, head, make_folder, write_atomically
from fastpatent.registry import METRICS
from fastpatent.report.page import is_page
from fastpatent.report.test_report.findings import Findings
from fastpatent.retrieval.metrics import IMAGES

FOLDER, INDEX, TABLE, TEMPLATE = "report", "index.html", "queries.csv", "test_report.html"
COLUMNS = ("test set", "query", "identity", "relevant", "first correct rank")
ANSWERS = ("best right score", "first answer", "first answer identity", "first answer score")


def page_names(test_sets: Iterable[Splits]) -> list[str]:
    """Return the file name of the page of each test set: index.html for the first."""
    return [f"{splits.name}.html" if number else INDEX for number, splits in enumerate(test_sets)]


def check_report(output_dir: str | Path, test_sets: Sequence[Splits]) -> Path:
    """Return the folder of the pages, which is made; DataError where a file of their names is there and not of a test."""
    folder = make_folder(Path(output_dir) / FOLDER)
    for name in page_names(test_sets):
        check_output(folder / name, "the report", partial(is_page, template=TEMPLATE))
    check_output(folder / TABLE, "the report", lambda path: head(path).startswith(",".join(COLUMNS).encode()))
    return folder


def write_queries(path: Path, found: Sequence[Findings], root: str) -> None:
    """Write a row for every query of every test set, in full precision; what is not known is empty.

    Args:
        path: of the file.
        found: Findings of the test sets.
        root: DATASETS.ROOT.
    """
    metrics = [name for name, metric in METRICS.all().items() if metric.formula and metric.rankings == {IMAGES}]
    groupings = list(dict.fromkeys(name for of in found for name in of.groupings))
    header = [*COLUMNS, *metrics, *ANSWERS, *groupings]
    rows = (row for of in found for row in _rows(of, metrics, groupings, root))
    write_atomically(path, lambda temporary: write_csv(temporary, [header, *rows]))


def _rows(found: Findings, metrics: Sequence[str], groupings: Sequence[str], root: str) -> Iterator[list[object]]:
    evaluation, splits, measured = found.evaluation, found.evaluation.splits, found.evaluation.metrics
    assert evaluation.scores is not None, "a pipeline has scores"
    values = [METRICS.get(name).formula(measured) if measured else None for name in metrics]
    names = [names_below(root, side) for side in (splits.query, splits.gallery)]
    for row, (sample, best) in enumerate(zip(splits.query, found.scores.best_right.tolist())):
        relevant = [int(measured.relevant[row]), int(measured.first_hit[row]) or ""] if measured else ["", ""]
        answer = int(evaluation.ranking[row, 0])
        yield [
            splits.name,
            names[0][row],
            sample.identity or "",
            *relevant,
            *("" if column is None else _known(float(column[row])) for column in values),
            _known(best),
            names[1][answer],
            splits.gallery[answer].identity or "",
            float(evaluation.scores[row, 0]),
            *(found.groupings[name][row] if name in found.groupings else "" for name in groupings),
        ]


def _known(value: float) -> float | str:
    return value if value == value else ""
