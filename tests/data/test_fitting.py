"""The resize in tensor arithmetic against PIL's."""

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.data.fitting import build_fit
from fastpatent.data.transforms import build_resize
from fastpatent.errors import ConfigError

SHAPES = ((1, 1), (1, 9), (20, 15), (48, 40), (47, 41), (150, 97), (7, 400), (301, 3))  # smaller, equal, larger, long


@pytest.mark.parametrize("how", ["stretch", "paper", "crop", "native"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_every_fit_gives_the_grey_levels_of_pil(cfg, how, interpolation):
    cfg.INPUT.SIZE_TEST, cfg.INPUT.INTERPOLATION, cfg.INPUT.KEEP_ASPECT = [48, 40], interpolation, how != "stretch"
    if cfg.INPUT.KEEP_ASPECT:
        cfg.INPUT.FIT = how
    fit, resize, random = build_fit(cfg), build_resize(cfg, "SIZE_TEST"), np.random.default_rng(0)
    for shape in SHAPES:
        grey = random.integers(0, 256, shape, dtype=np.uint8)
        for pixels in (grey, np.where(grey < 40, 0, 255).astype(np.uint8)):
            found = fit(torch.from_numpy(pixels)).numpy()
            np.testing.assert_array_equal(found, np.asarray(resize(Image.fromarray(pixels))), err_msg=str(shape))


@pytest.mark.parametrize("key, value", [("FIT", "shorter"), ("CROP.ENABLED", True), ("INVERT", "auto")])
def test_what_a_file_cannot_carry_is_refused(cfg, key, value):
    cfg.merge_from_list(["INPUT.KEEP_ASPECT", True, f"INPUT.{key}", value])
    with pytest.raises(ConfigError, match=f"INPUT.{key}: {value} .* --fitted"):
        build_fit(cfg)
