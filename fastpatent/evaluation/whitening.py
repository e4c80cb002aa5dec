"""The images that whitening is learned on, by the network whose features it is for."""

from yacs.config import CfgNode

from fastpatent.data.load_datasets import load_training_set
from fastpatent.data.records import Splits
from fastpatent.errors import ConfigError


def whitening_set(cfg: CfgNode) -> Splits:
    """Return at most TEST.WHITENING.DRAWINGS training images of DATASETS.NAMES, evenly spaced.

    Returns:
        Splits with these in `gallery`, under a name of its own.

    Raises:
        ConfigError: they are fewer than TEST.WHITENING.DIM; ConfigError and DataError as `load_training_set`.
    """
    samples, settings = load_training_set(cfg), cfg.TEST.WHITENING
    count = min(settings.DRAWINGS, len(samples))
    if settings.DIM > count:
        raise ConfigError(
            f"TEST.WHITENING.DIM: {settings.DIM} dimensions need as many images to learn from, but there are {count} "
            f"(DATASETS.NAMES has {len(samples)}, TEST.WHITENING.DRAWINGS is {settings.DRAWINGS})"
        )
    chosen = [samples[place * len(samples) // count] for place in range(count)]
    return Splits(f"{'-'.join(cfg.DATASETS.NAMES)}-whitening", [], [], chosen)
