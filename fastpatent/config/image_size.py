"""The size of the images that reach a network."""

from yacs.config import CfgNode


def image_size(cfg: CfgNode, key: str) -> tuple[str, tuple[int, int]]:
    """Return the key of INPUT that decides it, and (height, width).

    INPUT.CROP cuts training and test images to CROP.SIZE; INPUT.PADDING then makes training images SIZE_TRAIN again.

    Args:
        key: "SIZE_TRAIN" in training, "SIZE_TEST" in evaluation.
    """
    given = cfg.INPUT
    if given.CROP.ENABLED and not (key == "SIZE_TRAIN" and given.PADDING.ENABLED):
        return "CROP.SIZE", tuple(given.CROP.SIZE)
    return key, tuple(given[key])
