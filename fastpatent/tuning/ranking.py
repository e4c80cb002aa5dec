"""Trials that only rank: the keys of a trained network vary, in this process, on features that are extracted once."""

import hashlib
import json
import math
from collections import OrderedDict
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
from fastpatent.tuning.space import with_values

AFTER = ("TEST.AQE.", "TEST.RERANK.")  # keys that change nothing of the features that are ranked
AT_HAND = 4  # sets of features in memory


class Rankings:
    """The first test set, ranked under varying keys.

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
        self._features: OrderedDict[str, Features] = OrderedDict()  # the last few

    def measure(self, values: dict[str, Any]) -> float:
        """Return the metric of a trial {key: value}; NaN where it is not measured."""
        cfg = with_values(self.cfg, values)
        features = self._features_of(cfg, {key: value for key, value in values.items() if not key.startswith(AFTER)})
        _, processing = processings(cfg, features.name)[-1]
        found = rank_features(features, self.splits, **processing, device=self.device)
        return found.summary.get(self.metric, math.nan)

    def _features_of(self, cfg: CfgNode, values: dict[str, Any]) -> Features:
        name = _digest(values)
        if name not in self._features:
            if decided := {key: value for key, value in values.items() if KEYS[key].features != NONE}:
                cfg = with_values(cfg, {"OUTPUT_DIR": str(self.folder / _digest(decided))})
            self._features[name] = Pipeline(cfg, self.device).features(self.splits)[-1]
            if len(self._features) > AT_HAND:
                self._features.popitem(last=False)
        self._features.move_to_end(name)
        return self._features[name]


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
