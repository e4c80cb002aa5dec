"""The challenge network against features of another implementation."""

import numpy as np
import pytest
import torch

from fastpatent.models.weights import load_weights


def test_names_shapes_types_and_order_are_those_of_the_checkpoint(r101, reference_keys):
    rows = [[name, list(v.shape), str(v.dtype).removeprefix("torch.")] for name, v in r101.state_dict().items()]
    assert rows == reference_keys("dira_r101_ibn_nl")


@pytest.mark.slow
def test_features_meet_the_reference(r101, challenge_state, filling, reference_features):
    report = load_weights(r101, challenge_state)
    assert len(report.matched) == len(challenge_state) and not (report.missing or report.unexpected or report.reshaped)
    for size in (256, 384):
        expected = reference_features("dira_r101_ibn_nl", f"features_{size}")
        with torch.inference_mode():
            features = r101(torch.from_numpy(filling.drawings(4, size))[:, None]).numpy()
        centred, expected = features - features.mean(0), expected - expected.mean(0)
        assert features.dtype == np.float32
        assert np.linalg.norm(centred - expected) < 1e-4 * np.linalg.norm(expected), size
