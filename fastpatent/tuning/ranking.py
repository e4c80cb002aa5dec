"""Trials that only rank: the keys of a trained network vary, in this process, on features that are extracted once."""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from fastpatent.config.key import NONE
from fastpatent.config.keys import KEYS
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.errors import DataError
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.evaluation.retrieval import processings, rank_features
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.neighbours import Remembered
from fastpatent.tuning.space import with_values

EXPANSION, AFTER = "TEST.AQE.", "TEST.RERANK."  # keys of what is done to features, and of what is done then
AT_HAND = 4  # sets of features in memory, and as many expanded ones
NEIGHBOURS = 50  # searched at once, so that other settings find theirs


class Rankings:
    """The first test set, ranked under varying keys.

    What settings have in common is computed once: features, their neighbours, expanded features and the neighbours of these.

    Args:
        cfg: the configuration of a trained network; its features are cached where `fastpatent test` does.
        metric: name of what is measured.
        folder: where features are cached that a key in the space decides.
        device: that extracts and ranks.

    Raises:
        DataError: the test set has no labels.
    """

    def __init__(self, cfg: CfgNode, metric: str, folder: Path, device: torch.device) -> None:
        self.cfg, self.metric, self.folder, self.device = cfg, metric, folder, device
        self.splits = load_test_sets(cfg)[0]
        if all(sample.identity is None for sample in self.splits.query):
            raise DataError(f"DATASETS.TESTS: {self.splits.name} has no labelled query, nothing can be measured on it")
        self._find = Remembered(NEIGHBOURS, 2 * AT_HAND)
        self._extracted: OrderedDict[str, Features] = OrderedDict()  # the last few
        self._expanded: OrderedDict[str, Features] = OrderedDict()

    def measure(self, values: dict[str, Any]) -> float:
        """Return the metric of a trial {key: value}; NaN where it is not measured."""
        cfg = with_values(self.cfg, values)
        processing = processings(cfg)[-1][1]
        features = self._features(
            cfg, {key: value for key, value in values.items() if not key.startswith(AFTER)}, processing
        )
        reranking = processing.get("reranking")
        found = rank_features(features, self.splits, reranking=reranking, device=self.device, find=self._find)
        return found.summary.get(self.metric, math.nan)

    def _features(self, cfg: CfgNode, values: dict[str, Any], processing: dict[str, Any]) -> Features:
        """Return the features of some settings, expanded where `processing` says so."""
        of_features = {key: value for key, value in values.items() if not key.startswith(EXPANSION)}
        features = _remembered(self._extracted, of_features, lambda: self._extract(cfg, of_features))
        if "expansion" not in processing:
            return features

        def expand() -> Features:
            options = processing["expansion"]
            query, gallery = expand_queries(features.query, features.gallery, **options, device=self.device, find=self._find)
            return features._replace(query=query, gallery=gallery, metric="cosine")

        return _remembered(self._expanded, values, expand)

    def _extract(self, cfg: CfgNode, values: dict[str, Any]) -> Features:
        if decided := {key: value for key, value in values.items() if KEYS[key].features != NONE}:
            cfg = with_values(cfg, {"OUTPUT_DIR": str(self.folder / _digest(decided))})
        return Pipeline(cfg, self.device).features(self.splits)[-1]


def _remembered(known: OrderedDict[str, Features], values: dict[str, Any], compute: Callable[[], Features]) -> Features:
    """Return what is known of some settings, or compute it and forget what was used the longest ago."""
    name = _digest(values)
    if name not in known:
        known[name] = compute()
        if len(known) > AT_HAND:
            known.popitem(last=False)
    known.move_to_end(name)
    return known[name]


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
