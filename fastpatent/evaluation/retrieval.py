"""Retrieval as the challenge and the papers run it: features, query expansion, ranking, metrics."""

from dataclasses import dataclass

import numpy as np

from fastpatent import distributed
from fastpatent.data.loader import build_test_loader
from fastpatent.evaluation.features import extract_features
from fastpatent.evaluation.submission import COLUMNS
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.metrics import rank_metrics


@dataclass
class Evaluation:
    """What a system did on one data set.

    Attributes:
        name: the system, for tables.
        splits: the data set (`query` and `gallery` samples).
        ranking: int64 [queries, up to 10], gallery indices, best first.
        metrics: RankMetrics, or None where identities are unknown.
    """

    name: str
    splits: object
    ranking: np.ndarray
    metrics: object

    @property
    def summary(self):
        """Metric name -> figure; empty where identities are unknown."""
        return self.metrics.summary if self.metrics else {}


def rank_features(name, features, splits, metric="cosine", expansion=None):
    """Rank the gallery for every query and, where identities are known, measure the ranking.

    Args:
        name: what to call the system in tables.
        features: float32 [queries + gallery, dim], the rows of splits.query first.
        splits: the data set.
        metric: cosine or euclidean.
        expansion: dict(k, alpha, rounds) for average query expansion, or None; an expanded ranking is by cosine.

    Returns:
        Evaluation.
    """
    query, gallery = features[: len(splits.query)], features[len(splits.query) :]
    if expansion:
        query, gallery = expand_queries(query, gallery, **expansion)
        metric = "cosine"
    ranking, _ = rank_top(query, gallery, min(COLUMNS, len(gallery)), metric)
    measured = None
    if any(sample.identity is not None for sample in splits.query):
        measured = rank_metrics(
            query, gallery, [s.identity for s in splits.query], [s.identity for s in splits.gallery], metric=metric
        )
    return Evaluation(name, splits, ranking, measured)


def expansion_settings(cfg):
    """Read TEST.AQE into what `rank_features` takes; None where it is off."""
    aqe = cfg.TEST.AQE
    return {"k": aqe.QE_K, "alpha": aqe.ALPHA, "rounds": aqe.QE_TIME} if aqe.ENABLED else None


def split_features(cfg, model, splits, device, precision, on_batch=None):
    """Return the network's features of splits.query + splits.gallery, float32 [drawings, dim].

    Every process extracts its share; all but the first return None.
    """
    samples = [*splits.query, *splits.gallery]
    loader = build_test_loader(cfg, samples[distributed.rank() :: distributed.world_size()])
    return extract_features(model, loader, device, precision, flip=cfg.TEST.FLIP.ENABLED, on_batch=on_batch)


def evaluate(cfg, model, splits, device, precision, on_batch=None):
    """Extract, expand where TEST.AQE asks for it, rank and measure (see `rank_features`); None but on the first process."""
    features = split_features(cfg, model, splits, device, precision, on_batch)
    if features is None:
        return None
    return rank_features("network", features, splits, cfg.TEST.METRIC, expansion_settings(cfg))
