"""The networks that take part in a test, and how the features of several are joined."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from yacs.config import CfgNode

from fastpatent.config import load_config_on
from fastpatent.config.by_name import find_file
from fastpatent.errors import ConfigError
from fastpatent.retrieval.distance import normalise


class Member(NamedTuple):
    """A network, or a descriptor in the place of one, that takes part in a test.

    Attributes:
        name: for tables.
        cfg: its configuration.
        weight: of its cosines in the mean over all members.
    """

    name: str
    cfg: CfgNode
    weight: float


def read_members(cfg: CfgNode) -> list[Member]:
    """Return the Members of a test: those of TEST.ENSEMBLE.CONFIGS, or where it is empty the configuration's own network.

    A member's file is written relative to the working directory, as every path in a configuration. Its network, weights,
    sizes, TEST.FLIP, TEST.WHITENING, OUTPUT_DIR and so on are its own; DATASETS and MODEL.DEVICE are the ensemble's.

    Raises:
        ConfigError: a member's file is missing or wrong, its MODEL.WEIGHTS names no file, or it is an ensemble itself;
            TEST.WHITENING or TEST.TEXT_WEIGHT is asked of the ensemble instead of its members.
    """
    files, weights = cfg.TEST.ENSEMBLE.CONFIGS, cfg.TEST.ENSEMBLE.WEIGHTS
    if not files:
        return [Member(cfg.DESCRIPTOR.NAME or "network", cfg, 1.0)]
    if cfg.TEST.WHITENING.ENABLED:
        raise ConfigError(
            "TEST.WHITENING.ENABLED: an ensemble is not whitened, write it in the files of TEST.ENSEMBLE.CONFIGS"
        )
    if cfg.TEST.TEXT_WEIGHT:
        raise ConfigError("TEST.TEXT_WEIGHT: an ensemble reads no texts, write it in the files of TEST.ENSEMBLE.CONFIGS")
    return [
        Member(str(file), _member_config(cfg, file), weight) for file, weight in zip(files, weights or [1.0] * len(files))
    ]


def _member_config(cfg: CfgNode, file: str) -> CfgNode:
    key = "TEST.ENSEMBLE.CONFIGS"
    if not Path(path := find_file(file)).is_file():
        raise ConfigError(f"{key}: there is no file {file}")
    member = load_config_on(cfg, path)
    if member.TEST.ENSEMBLE.CONFIGS:
        raise ConfigError(f"{key}: {file} is an ensemble itself; name its members instead")
    if not member.DESCRIPTOR.NAME and not Path(member.MODEL.WEIGHTS).is_file():
        raise ConfigError(f"{key}: MODEL.WEIGHTS of {file} names no file: {member.MODEL.WEIGHTS!r}")
    return member


def join_features(features: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Join the features of several networks so that the cosine of two rows is the weighted mean of the networks' cosines.

    Rows are normalised to length 1, multiplied by sqrt(weight / sum of weights) and concatenated.

    Args:
        features: float [images, dim] of each network, dims may differ.
        weights: as many numbers above 0.

    Returns:
        float32 [images, sum of dims].
    """
    shares = np.sqrt(np.asarray(weights, np.float64) / np.sum(weights)).astype(np.float32)
    return np.hstack([normalise(np.asarray(rows, np.float32)) * share for rows, share in zip(features, shares)])
