"""The challenge network against features of another implementation."""

import numpy as np
import pytest
import torch

from fastpatent.models.weights import load_weights


def test_names_shapes_types_and_order_are_those_of_the_checkpoint(r101, reference_keys):
    state = r101.state_dict()
    assert [[name, list(v.shape), str(v.dtype).removeprefix("torch.")] for name, v in state.items()] == reference_keys


@pytest.mark.parametrize("size", [256, 384])
def test_features_meet_the_reference(r101, reference_state, filling, shared, size):
    report = load_weights(r101, reference_state)
    assert len(report.matched) == len(reference_state) and not (report.missing or report.unexpected or report.reshaped)
    expected = np.load(shared / "reference" / "dira_r101_ibn_nl.npz")[f"features_{size}"]
    with torch.inference_mode():
        features = r101(torch.from_numpy(filling.drawings(4, size))[:, None]).numpy()
    centred, expected = features - features.mean(0), expected - expected.mean(0)
    assert features.dtype == np.float32
    assert np.linalg.norm(centred - expected) < 1e-4 * np.linalg.norm(expected)
