import pytest

from fastpatent.config import get_cfg
from fastpatent.config.image_size import image_size


@pytest.mark.parametrize(
    "crop, padding, training, evaluation",
    [
        (False, False, "SIZE_TRAIN", "SIZE_TEST"),
        (False, True, "SIZE_TRAIN", "SIZE_TEST"),
        (True, False, "CROP.SIZE", "CROP.SIZE"),
        (True, True, "SIZE_TRAIN", "CROP.SIZE"),
    ],
)
def test_the_key_that_decides_the_size(crop, padding, training, evaluation):
    cfg = get_cfg()
    sizes = {"SIZE_TRAIN": (48, 32), "SIZE_TEST": (64, 40), "CROP.SIZE": (24, 16)}
    cfg.INPUT.SIZE_TRAIN, cfg.INPUT.SIZE_TEST, cfg.INPUT.CROP.SIZE = map(list, sizes.values())
    cfg.INPUT.CROP.ENABLED, cfg.INPUT.PADDING.ENABLED = crop, padding
    assert image_size(cfg, "SIZE_TRAIN") == (training, sizes[training])
    assert image_size(cfg, "SIZE_TEST") == (evaluation, sizes[evaluation])
