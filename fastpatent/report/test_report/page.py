"""The page of a test set, in a file that loads nothing."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

import numpy as np

import fastpatent
from fastpatent.data.records import names_below
from fastpatent.evaluation.intervals import Figure
from fastpatent.evaluation.pipeline import Pipeline, SetResult
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.evaluation.submission import COLUMNS
from fastpatent.evaluation.vocabulary import vocabulary_file
from fastpatent.files import sha256_of, write_atomically
from fastpatent.report.gallery import answers_of, heading_of, page_items
from fastpatent.report.page import render
from fastpatent.report.tables import NOTHING
from fastpatent.report.test_report import charts
from fastpatent.report.test_report.files import TABLE, TEMPLATE, page_names, write_queries
from fastpatent.report.test_report.findings import Findings, find
from fastpatent.report.test_report.pictures import drawings_url, regions_url
from fastpatent.retrieval.metrics import table_metrics

MOST_QUERIES, MOST_PAIRS = 1000, 200  # rows of the tables
PICTURED = 12  # pairs of confusions, and of duplicates
STYLE_CONTROL = "stroke_style"


def write_report(folder: Path, pipeline: Pipeline, results: Sequence[Sequence[SetResult]]) -> list[Path]:
    """Write a page for each test set, and the figures of all queries.

    Args:
        folder: that `check_report` has returned.
        pipeline: the system that was tested.
        results: for each test set the SetResult of the pipeline, then those of what is compared with it.

    Returns:
        the files.
    """
    found = [find(pipeline, of_set[0], of_set[1:]) for of_set in results]
    names = page_names(of_set[0].splits for of_set in results)
    write_queries(folder / TABLE, found, pipeline.cfg.DATASETS.ROOT)
    links = [(of.evaluation.splits.name, name) for of, name in zip(found, names)]
    weights = _weights(pipeline)
    for of, name in zip(found, names):
        page = _page(of, pipeline, links, weights)
        write_atomically(folder / name, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return [folder / name for name in (*names, TABLE)]


def _page(found: Findings, pipeline: Pipeline, links: list[tuple[str, str]], weights: list[list[str]]) -> str:
    evaluation, cfg = found.evaluation, pipeline.cfg
    splits, metric = evaluation.splits, evaluation.features.metric if evaluation.features else cfg.TEST.METRIC
    confused, alike = found.confusions[:PICTURED], found.duplicates[:PICTURED]
    pair_urls = [
        drawings_url([splits.query[pair.query].path, splits.gallery[pair.row].path]) for pair in (*confused, *alike)
    ]
    answers = [answers_of(evaluation, int(query), COLUMNS) for query in found.queries]
    regions = iter(found.regions or [None] * len(answers))
    threshold, overlap = found.scores.overlap
    return render(
        TEMPLATE,
        f"{evaluation.name} on {splits.name}",
        facts=[
            f"{len(splits.query):,} queries in {len(splits.gallery):,} gallery images",
            f"tested {datetime.now().astimezone().isoformat(' ', 'minutes')}",
            f"fastpatent {fastpatent.__version__}",
        ],
        links=links,
        here=splits.name,
        table=TABLE,
        weights=weights,
        root=cfg.DATASETS.ROOT,
        warnings=evaluation.warnings,
        unreadable=found.result.unreadable,
        metrics=table_metrics(),
        systems=_systems(found),
        controlled=any(_is_control(of) for result in (found.result, *found.compared) for of in result.evaluations),
        texts=[(name, list(of.summary.items())) for name, of in found.result.texts],
        measured=found.curves is not None,
        precision=charts.precision_histogram(evaluation.metrics.average_precision) if evaluation.metrics else "",
        distributions=charts.score_distributions(found.scores, metric),
        overlap=overlap,
        threshold=threshold,
        separation=found.scores.separation,
        processed=cfg.TEST.AQE.ENABLED or cfg.TEST.RERANK.ENABLED,
        ranks=charts.rank_chart(found.curves) if found.curves else "",
        depth=len(found.curves.precision) if found.curves else 0,
        group_charts=[
            (name, charts.group_chart(list(groups))) for name, groups in groupby(found.groups, lambda of: of.grouping)
        ],
        groups=[
            [of.grouping, of.label, f"{of.queries:,}", f"{of.figure.mean:.4f}", _interval(of.figure)] for of in found.groups
        ],
        looked_at=found.looks.measured,
        examples=[(label, drawings_url([splits.query[row].path])) for label, row in sorted(found.looks.examples.items())],
        answers=[
            {
                "heading": heading_of(evaluation, int(query)),
                "items": page_items(row),
                "regions": regions_url(of) if (of := next(regions)) else "",
                "matches": [round(match.cosine, 3) for match in of.matches] if of else [],
            }
            for query, row in zip(found.queries, answers)
        ],
        no_regions=found.no_regions,
        confusions=[
            [of.asked, of.found, "mutual" if of.mutual else "", f"{of.queries} of {of.of}", of.images]
            for of in found.confusions[:MOST_PAIRS]
        ],
        confusion_count=len(found.confusions),
        confused=list(zip(confused, pair_urls)),
        duplicates=[
            [
                splits.query[of.query].identity,
                splits.gallery[of.row].identity,
                *(Path(sample.path).name for sample in (splits.query[of.query], splits.gallery[of.row])),
                *(f"{score:.4f}" for score in (of.score, of.right)),
                f"{100 * of.above:.1f} %",
                of.pairs,
            ]
            for of in found.duplicates[:MOST_PAIRS]
        ],
        duplicate_count=len(found.duplicates),
        alike=[
            (f"{splits.query[of.query].identity} and {splits.gallery[of.row].identity}", of, url)
            for of, url in zip(alike, pair_urls[len(confused) :])
        ],
        groupings=list(found.groupings),
        queries=_queries(found, cfg.DATASETS.ROOT),
        query_count=len(splits.query),
    )


def _weights(pipeline: Pipeline) -> list[list[str]]:
    """Return [name, file, SHA-256] of every system."""
    rows = []
    for member in pipeline.members:
        cfg = member.cfg
        path = vocabulary_file(cfg) if cfg.DESCRIPTOR.NAME else cfg.MODEL.WEIGHTS
        pretrained = "" if cfg.DESCRIPTOR.NAME else cfg.MODEL.CLIP.PRETRAINED
        try:
            rows.append([member.name, str(path or pretrained or "none"), sha256_of(path) if path else NOTHING])
        except OSError as error:
            rows.append([member.name, str(path), f"cannot be read: {error.strerror}"])
    return rows


def _is_control(evaluation: Evaluation) -> bool:
    return evaluation.name.startswith(STYLE_CONTROL)


def _systems(found: Findings) -> list[list[str]]:
    """Return [name, note, each of `table_metrics` with its interval] of every row that was measured."""
    rows = []
    for result in (found.result, *found.compared):
        for evaluation in result.evaluations:
            note = "this page" if evaluation is found.evaluation else "style control" if _is_control(evaluation) else ""
            figures = evaluation.figures
            cells = [f"{figures[name].mean:.4f} {_interval(figures[name])}" for name in table_metrics() if figures]
            rows.append([evaluation.name, note, *(cells or [NOTHING] * len(table_metrics()))])
    return rows


def _interval(figure: Figure) -> str:
    return f"[{figure.low:.3f}, {figure.high:.3f}]" if figure.low == figure.low else "[unknown]"


def _queries(found: Findings, root: str) -> list[list[object]]:
    """Return the rows of the table of queries, of the lowest AP first, and its first answers; without AP as in the list."""
    evaluation, splits, metrics = found.evaluation, found.evaluation.splits, found.evaluation.metrics
    assert evaluation.scores is not None, "a pipeline has scores"
    order = np.arange(len(splits.query)) if metrics is None else np.argsort(metrics.average_precision, kind="stable")
    chosen = order[:MOST_QUERIES]
    samples = [splits.query[row] for row in chosen]
    rows = []
    for row, name, sample in zip(chosen.tolist(), names_below(root, samples), samples):
        known = metrics is not None and bool(metrics.matched[row])
        measured = [NOTHING] * 3
        if metrics is not None and known:
            measured = [f"{metrics.average_precision[row]:.4f}", metrics.first_hit[row], metrics.relevant[row]]
        answer = splits.gallery[evaluation.ranking[row, 0]]
        rows.append(
            [
                name,
                sample.identity or NOTHING,
                answer.identity or Path(answer.path).name,
                *(labels[row] for labels in found.groupings.values()),
                *measured,
                f"{found.scores.best_right[row]:.4f}" if known else NOTHING,
                f"{evaluation.scores[row, 0]:.4f}",
            ]
        )
    return rows
