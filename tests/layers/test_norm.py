"""Norms by name against their formulas in float64."""

import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.layers.norm import build_norm


def test_group_norms_normalise_each_drawing_by_groups():
    for name, channels, groups in [("GN", 64, 32), ("GN", 48, 16), ("GN", 7, 1), ("LN", 64, 1), ("LN", 7, 1)]:
        features = torch.randn(3, channels, 4, 5, dtype=torch.float64) * 3 + 1
        rows = features.reshape(3, groups, -1)
        centred = rows - rows.mean(2, keepdim=True)
        expected = (centred / (centred.square().mean(2, keepdim=True) + 1e-5).sqrt()).reshape(features.shape)
        torch.testing.assert_close(
            build_norm(name, channels).double()(features),
            expected,
            msg=lambda text: f"{text} ({name=}, {channels=}, {groups=})",
        )


def test_batch_norms_normalise_over_the_batch():
    for name in ["BN", "syncBN"]:
        features = torch.randn(6, 8, 3, 3, dtype=torch.float64) * 2 - 1
        centred = features - features.mean((0, 2, 3), keepdim=True)
        expected = centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(build_norm(name, 8).double()(features), expected, msg=lambda text: f"{text} ({name=})")


def test_an_unknown_norm_is_reported_with_the_nearest_name():
    with pytest.raises(ConfigError, match="NORM.*'synBN'; did you mean syncBN"):
        build_norm("synBN", 8)
