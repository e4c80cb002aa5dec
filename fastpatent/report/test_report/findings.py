"""Everything that the page of one test set shows, as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fastpatent.data.image import build_reader
from fastpatent.data.records import Sample
from fastpatent.data.workers import worker_count
from fastpatent.errors import FastPatentError
from fastpatent.evaluation.analysis.group_figures import GroupFigure, group_figures
from fastpatent.evaluation.analysis.looks import Looks, measure_looks
from fastpatent.evaluation.analysis.mistakes import Confusion, Duplicate, confusions, duplicates
from fastpatent.evaluation.analysis.pair_scores import PairScores, pair_scores
from fastpatent.evaluation.analysis.rank_curves import RankCurves, rank_curves
from fastpatent.evaluation.analysis.regions import Regions, region_matches
from fastpatent.evaluation.extractor import NetworkExtractor
from fastpatent.evaluation.groups import UNKNOWN, groups_of
from fastpatent.evaluation.pipeline import Pipeline, SetResult
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.retrieval.metrics import RankMetrics

SHOWN = 12  # queries with their answers
DEPTH = 100  # ranks of the curves


@dataclass
class Findings:
    """What was found on one test set.

    Attributes:
        result: of the system that was tested.
        compared: of those measured beside it.
        scores: of all pairs, by the features before expansion and re-ranking.
        curves: over the rank; None where identities are unknown, as are
        groups, confusions, duplicates: which are then empty.
        groupings: {name: label of each query}, what is known of the queries.
        looks: how they are drawn.
        queries: int64, those shown with their answers: of the lowest AP; without identities spread from the highest score of
            the first answer to the lowest.
        regions: of each of these and its first answer, None where one cannot be read.
        no_regions: why there are none; empty where there are.
    """

    result: SetResult
    compared: list[SetResult]
    scores: PairScores
    curves: RankCurves | None
    groups: list[GroupFigure]
    confusions: list[Confusion]
    duplicates: list[Duplicate]
    groupings: dict[str, list[str]]
    looks: Looks
    queries: np.ndarray
    regions: list[Regions | None]
    no_regions: str

    @property
    def evaluation(self) -> Evaluation:
        """What the configuration asks for."""
        return self.result.evaluations[-1]


def find(pipeline: Pipeline, result: SetResult, compared: Sequence[SetResult]) -> Findings:
    """Return the Findings of a SetResult of a pipeline."""
    cfg, evaluation, splits = pipeline.cfg, result.evaluations[-1], result.splits
    assert evaluation.features is not None, "a pipeline has features"
    identities = [[sample.identity for sample in side] for side in (splits.query, splits.gallery)]
    scores = pair_scores(evaluation.features, identities, device=pipeline.device)
    looks = measure_looks(splits.query, build_reader(cfg), worker_count(cfg.DATALOADER.NUM_WORKERS)[0])
    groupings = groups_of(splits) | looks.groupings
    metrics = evaluation.metrics
    if metrics is None or not metrics.matched.any():
        order = np.argsort(-scores.scores[:, 0], kind="stable")
        queries = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))]
        curves, groups, confused, alike = None, [], [], []
    else:
        queries = worst_queries(metrics, splits.query, SHOWN)
        curves = rank_curves(metrics, min(DEPTH, len(splits.gallery)))
        groups = group_figures(metrics.average_precision, groupings, identities[0])
        groups = [of for of in groups if of.label != UNKNOWN or of.grouping not in looks.groupings]  # not in the sample
        confused, alike = confusions(evaluation.ranking, splits), duplicates(scores, splits)
    pairs = [(splits.query[row], splits.gallery[evaluation.ranking[row, 0]]) for row in queries]
    regions, reason = _regions(pipeline, pairs)
    return Findings(
        result, list(compared), scores, curves, groups, confused, alike, groupings, looks, queries, regions, reason
    )


def worst_queries(metrics: RankMetrics, samples: Sequence[Sample], count: int) -> np.ndarray:
    """Return int64 [up to count]: the queries of lowest AP, each of another identity; at equal AP more relevant first."""
    order = np.lexsort((-metrics.relevant, metrics.average_precision))  # NaN, of unmatched queries, last
    worst: dict[str | None, int] = {}
    for row in order[: metrics.matched.sum()].tolist():
        worst.setdefault(samples[row].identity, row)
    return np.array(list(worst.values())[:count], np.int64)


def _regions(pipeline: Pipeline, pairs: Sequence[tuple[Sample, Sample]]) -> tuple[list[Regions | None], str]:
    """Return the Regions of pairs by the first system, or why there are none."""
    member, extractor = pipeline.members[0], pipeline.extractors[0]
    if not isinstance(extractor, NetworkExtractor):
        return [], f"{member.name} is a descriptor, which has no feature maps."
    try:
        found = region_matches(extractor.network, member.cfg, pairs, pipeline.device)
    except (FastPatentError, OSError, torch.OutOfMemoryError) as error:
        return [], f"Not computed: {error}"
    return found, "" if found else f"{member.name} has no feature map that tells regions apart."
