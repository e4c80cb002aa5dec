"""What a test ranks by: the features of one network, whitened where asked for, or those of several joined."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastpatent.config import load_config
from fastpatent.errors import ConfigError
from fastpatent.evaluation.whitening import training_whitening
from fastpatent.retrieval.distance import normalise


class Member(NamedTuple):
    """A network, or a descriptor in the place of one, that takes part in a test.

    Attributes:
        name: for tables.
        cfg: its configuration.
        weight: of its cosines in the mean over all members.
    """

    name: str
    cfg: Any
    weight: float


def read_members(cfg):
    """Return the Members of a test: those of TEST.ENSEMBLE.CONFIGS, or where it is empty the configuration's own network.

    A member's file is written relative to the working directory, as every path in a configuration. Its network, weights,
    sizes, TEST.FLIP, TEST.WHITENING, OUTPUT_DIR and so on are its own; DATASETS and MODEL.DEVICE are the ensemble's.

    Raises:
        ConfigError: a member's file is missing or wrong, its MODEL.WEIGHTS names no file, or it is an ensemble itself;
            TEST.WHITENING is asked of the ensemble instead of its members.
    """
    files, weights = cfg.TEST.ENSEMBLE.CONFIGS, cfg.TEST.ENSEMBLE.WEIGHTS
    if not files:
        return [Member(cfg.DESCRIPTOR.NAME or "network", cfg, 1.0)]
    if cfg.TEST.WHITENING.ENABLED:
        raise ConfigError(
            "TEST.WHITENING.ENABLED: an ensemble is not whitened, write it in the files of TEST.ENSEMBLE.CONFIGS"
        )
    return [
        Member(str(file), _member_config(cfg, file), weight) for file, weight in zip(files, weights or [1.0] * len(files))
    ]


def _member_config(cfg, file):
    key = "TEST.ENSEMBLE.CONFIGS"
    if not Path(file).is_file():
        raise ConfigError(f"{key}: there is no file {file}")
    member = load_config(file).clone()
    if member.TEST.ENSEMBLE.CONFIGS:
        raise ConfigError(f"{key}: {file} is an ensemble itself; name its members instead")
    if not member.DESCRIPTOR.NAME and not Path(member.MODEL.WEIGHTS).is_file():
        raise ConfigError(f"{key}: MODEL.WEIGHTS of {file} names no file: {member.MODEL.WEIGHTS!r}")
    member.defrost()
    member.DATASETS, member.MODEL.DEVICE = cfg.DATASETS, cfg.MODEL.DEVICE
    member.freeze()
    return member


def member_systems(member, test_sets, extract):
    """Describe the test sets by one network.

    Args:
        member: Member.
        test_sets: list of Splits.
        extract: function of a Splits -> float32 [its drawings, dim], by this network.

    Returns:
        list over the test sets of [(name of a table's row, float32 [drawings, dim])]: the network's features, then those
        whitened where TEST.WHITENING asks for it. The last are what counts.
    """
    systems, whitening = [], None
    for splits in test_sets:
        features = extract(splits)
        rows = [(member.name, features)]
        if member.cfg.TEST.WHITENING.ENABLED:
            whitening = whitening or training_whitening(member.cfg, features.shape[1], extract)
            rows.append((f"{member.name} + whitening", whitening.apply(normalise(features))))
        systems.append(rows)
    return systems


def with_ensemble(members, systems):
    """Return all systems of one test set, the one that the configuration asks for last.

    Args:
        members: list of Member.
        systems: what `member_systems` gives of this test set, a list for each member.

    Returns:
        list of (name of a table's row, float32 [drawings, dim]).
    """
    rows = [row for of_member in systems for row in of_member]
    if len(members) > 1:
        features = [of_member[-1][1] for of_member in systems]
        rows.append((f"ensemble of {len(members)}", join_features(features, [member.weight for member in members])))
    return rows


def join_features(features, weights):
    """Join the features of several networks so that the cosine of two rows is the weighted mean of the networks' cosines.

    Rows are brought to length 1, multiplied by sqrt(weight / sum of weights) and put one after the other.

    Args:
        features: list of float [drawings, dim], a dim of its own each.
        weights: list of as many numbers above 0.

    Returns:
        float32 [drawings, sum of dims].
    """
    shares = np.sqrt(np.asarray(weights, np.float64) / np.sum(weights)).astype(np.float32)
    return np.hstack([normalise(np.asarray(rows, np.float32)) * share for rows, share in zip(features, shares)])
