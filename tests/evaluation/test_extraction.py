"""Extraction as one module against the mean over views of images that PIL has resized."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fastpatent.data.fitting import Fit
from fastpatent.evaluation.extraction import Extraction


class Corner(nn.Module):
    """The grey of the first pixel and the mean, which a mirror image, a turn and a smaller image change differently."""

    def embed_images(self, images, domains=None):
        assert domains is None
        images = images.float()
        return torch.stack([images[:, 0, 0, 0], images.square().mean((1, 2, 3))], dim=1)


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_features_are_the_mean_over_views_of_fitted_images(flip, turns):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 44), dtype=np.uint8)
    resized = np.array(Image.fromarray(pixels).resize((20, 30)).resize((20, 12)))  # across, then down; bicubic
    corners = resized[[0, 0, -1, -1], [0, -1, 0, -1]] if turns else resized[0, [0, -1] if flip else [0]]
    truth = [corners.mean(dtype=float), np.square(resized, dtype=float).mean()]
    fitted = Extraction(Corner(), flip, [1.0], turns=turns)(torch.from_numpy(resized)[None, None])
    whole = Extraction(Corner(), flip, [1.0], Fit((12, 20)), turns)(torch.from_numpy(pixels))
    np.testing.assert_allclose(fitted, [truth], rtol=1e-6)
    np.testing.assert_allclose(whole, truth, rtol=1e-6)
