"""Retrieval as the challenge and the papers run it: features, query expansion, ranking, metrics."""

from dataclasses import dataclass

import numpy as np

from fastpatent import distributed
from fastpatent.data.loader import build_test_loader
from fastpatent.evaluation.features import extract_features
from fastpatent.evaluation.submission import COLUMNS
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.reranking import reciprocal_similarity


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


def rank_features(name, features, splits, metric="cosine", expansion=None, reranking=None, device="cpu"):
    """Rank the gallery for every query and, where identities are known, measure the ranking in the same pass.

    FAISS ranks where nothing but the nearest rows is asked for.

    Args:
        name: what to call the system in tables.
        features: float32 [queries + gallery, dim], the rows of splits.query first.
        splits: the data set.
        metric: cosine, euclidean or normalized_euclidean.
        expansion: dict of settings of `expand_queries`, or None; an expanded ranking is by cosine.
        reranking: dict(k1, k2, weight) for k-reciprocal re-ranking, or None: distances become
            (1 - weight) * Jaccard distance + weight * (1 - cosine).
        device: "cpu", or the card to rank on.

    Returns:
        Evaluation.
    """
    query, gallery = features[: len(splits.query)], features[len(splits.query) :]
    if expansion:
        query, gallery = expand_queries(query, gallery, **expansion, device=device)
        metric = "cosine"
    options = {"metric": metric, "device": device}
    if reranking:
        similarity = reciprocal_similarity(query, gallery, reranking["k1"], reranking["k2"], device=device)
        similarity.data *= 1 - reranking["weight"]
        options |= {"metric": "cosine", "scale": reranking["weight"], "bonus": similarity}
    measured = any(sample.identity is not None for sample in splits.query)
    if not measured and not reranking:
        return Evaluation(name, splits, rank_top(query, gallery, min(COLUMNS, len(gallery)), metric)[0], None)
    identities = [[sample.identity for sample in side] for side in (splits.query, splits.gallery)]
    ranking = rank(query, gallery, COLUMNS, identities if measured else None, **options)
    return Evaluation(name, splits, ranking.indices, ranking.metrics)


def processings(cfg, name="network"):
    """Return [(name of a table's row, settings of `rank_features`)]: the bare system `name`, then with what TEST.AQE and
    TEST.RERANK add to it, one after the other. The last is what the configuration asks for.
    """
    aqe, rerank = cfg.TEST.AQE, cfg.TEST.RERANK
    rows = [(name, {})]
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


def sample_features(cfg, model, samples, device, precision, on_batch=None, on_source=None):
    """Return the network's features of samples, float32 [drawings, dim].

    Every process extracts its share; all but the first return None. `on_source`, where given, is told where drawings come
    from.
    """
    loader = build_test_loader(cfg, samples[distributed.rank() :: distributed.world_size()])
    if on_source:
        on_source(loader.source_reason)
    return extract_features(model, loader, device, precision, cfg.TEST.FLIP.ENABLED, on_batch, cfg.TEST.SCALES)


def evaluate(cfg, model, splits, device, precision, on_batch=None):
    """Extract, expand and re-rank as TEST asks, rank and measure (see `rank_features`); None but on the first process.

    TEST.WHITENING and TEST.ENSEMBLE have no part in it: they are of `fastpatent test`.
    """
    features = sample_features(cfg, model, [*splits.query, *splits.gallery], device, precision, on_batch)
    if features is None:
        return None
    _, settings = processings(cfg)[-1]
    return rank_features("network", features, splits, cfg.TEST.METRIC, **settings, device=device)
