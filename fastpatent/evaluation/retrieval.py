"""From features to a ranking and its metrics: query expansion, re-ranking, ranking."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent.data.records import Splits
from fastpatent.evaluation.features import Features, all_equal
from fastpatent.evaluation.intervals import Figure, mean_figures, patent_codes
from fastpatent.evaluation.submission import COLUMNS
from fastpatent.registry import METRICS
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.metrics import IMAGES, RankMetrics
from fastpatent.retrieval.neighbours import Find, nearest_rows
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.reranking import reciprocal_similarity

FEW = 100  # below so many queries every figure has its interval
RESAMPLES = 1000


@dataclass
class Evaluation:
    """How a system ranks one data set.

    Attributes:
        name: the system, for tables.
        splits: the data set (`query` and `gallery` samples).
        ranking: int64 [queries, up to 10], gallery indices, best first.
        metrics: RankMetrics, or None where identities are unknown.
        features: what was ranked, before expansion; None where they are not at hand.
        warnings: why its figures say less than they seem to, see `fastpatent.data.degenerate`.
        scores: float32 as `ranking`: cosines, negative distances, or what re-ranking makes of them; higher is nearer.
    """

    name: str
    splits: Splits
    ranking: np.ndarray
    metrics: RankMetrics | None
    features: Features | None = None
    warnings: tuple[str, ...] = ()
    scores: np.ndarray | None = None

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """{metric of images: Figure}; empty where identities are unknown or no query has a match."""
        if self.metrics is None or not self.metrics.matched.any():
            return {}
        matched = np.flatnonzero(self.metrics.matched)
        groups = patent_codes(self.splits.query[row].identity for row in matched)
        formulas = {name: of.formula for name, of in METRICS.all().items() if of.formula and of.rankings == {IMAGES}}
        columns = [formula(self.metrics)[matched] for formula in formulas.values()]
        figures = mean_figures(np.stack(columns, axis=1), groups, RESAMPLES, 0, fewest=2)  # one cannot be resampled
        return dict(zip(formulas, figures))

    @property
    def intervals(self) -> dict[str, Figure]:
        """`figures` where there are fewer than FEW queries, whose mean alone says little; else empty."""
        return self.figures if self.metrics is not None and self.metrics.matched.sum() < FEW else {}

    @property
    def summary(self) -> dict[str, float]:
        """Metric name -> mean; empty where identities are unknown."""
        return self.metrics.summary if self.metrics else {}


def rank_features(
    features: Features,
    splits: Splits,
    name: str = "",
    expansion: dict[str, Any] | None = None,
    reranking: dict[str, Any] | None = None,
    device: torch.device | str = "cpu",
    find: Find = nearest_rows,
) -> Evaluation:
    """Rank the gallery for every query and, where identities are known, measure the ranking in the same pass.

    FAISS ranks where only the nearest rows are needed, on the CPU.

    Args:
        features: Features of the data set.
        splits: the data set.
        name: of the system in tables; that of the features where not given.
        expansion: dict of settings of `expand_queries`, or None; an expanded ranking is by cosine.
        reranking: dict(k1, k2, weight) for k-reciprocal re-ranking, or None: distances become
            (1 - weight) * Jaccard distance + weight * (1 - cosine).
        device: where to rank.
        find: see `Find`.

    Returns:
        Evaluation.
    """
    name, (_, query, gallery, metric) = name or features.name, features
    warnings = (
        *splits.warnings,
        *(["all features are equal, so the order is arbitrary"] if all_equal(query, gallery) else []),
    )
    if expansion:
        query, gallery = expand_queries(query, gallery, **expansion, device=device, find=find)
        metric = "cosine"
    options: dict[str, Any] = {"metric": metric, "device": device}
    if reranking:
        similarity = reciprocal_similarity(query, gallery, reranking["k1"], reranking["k2"], device=device, find=find)
        similarity.data *= 1 - reranking["weight"]
        options |= {"metric": "cosine", "scale": reranking["weight"], "bonus": similarity}
    measured = any(sample.identity is not None for sample in splits.query)
    if not measured and not reranking:
        nearest, scores = rank_top(query, gallery, min(COLUMNS, len(gallery)), metric, device=device)
        return Evaluation(name, splits, nearest, None, features, warnings, scores)
    identities = [[sample.identity for sample in side] for side in (splits.query, splits.gallery)]
    ranking = rank(query, gallery, COLUMNS, identities if measured else None, **options)
    return Evaluation(name, splits, ranking.indices, ranking.metrics, features, warnings, ranking.scores)


def processings(cfg: CfgNode, name: str = "network") -> list[tuple[str, dict[str, Any]]]:
    """Return [(name of a table's row, settings of `rank_features`)]: the bare system `name`, then with what TEST.AQE and
    TEST.RERANK add to it, one after the other. The last is what the configuration asks for.
    """
    aqe, rerank = cfg.TEST.AQE, cfg.TEST.RERANK
    rows: list[tuple[str, dict[str, Any]]] = [(name, {})]
    if aqe.ENABLED:
        side = "" if aqe.SIDE == "both" else f" of the {aqe.SIDE} side"
        settings = {
            "k": aqe.QE_K,
            "alpha": aqe.ALPHA,
            "rounds": aqe.QE_TIME,
            "side": aqe.SIDE,
            "normalize": aqe.NORMALIZE,
        }
        rows.append((f"{name} + query expansion{side} (k {aqe.QE_K})", {"expansion": settings}))
    if rerank.ENABLED:
        name, settings = rows[-1]
        reranking = {"k1": rerank.K1, "k2": rerank.K2, "weight": rerank.LAMBDA}
        rows.append((f"{name} + re-ranking (k1 {rerank.K1}, k2 {rerank.K2})", settings | {"reranking": reranking}))
    return rows
