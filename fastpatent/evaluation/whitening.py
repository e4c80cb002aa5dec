"""Whitening of a test set's features, learned on training drawings that the same network describes."""

from fastpatent.data.samples import Splits
from fastpatent.data.sets import load_training_set
from fastpatent.errors import ConfigError
from fastpatent.retrieval.distance import normalise
from fastpatent.retrieval.whitening import learn_whitening


def whitening_set(cfg):
    """Return the drawings to learn from: at most TEST.WHITENING.DRAWINGS training drawings of DATASETS.NAMES, evenly chosen.

    Returns:
        Splits with these in `gallery`, under a name of its own.

    Raises:
        ConfigError: they are fewer than TEST.WHITENING.DIM; ConfigError and DataError as `load_training_set`.
    """
    samples, settings = load_training_set(cfg), cfg.TEST.WHITENING
    count = min(settings.DRAWINGS, len(samples))
    if settings.DIM > count:
        raise ConfigError(
            f"TEST.WHITENING.DIM: {settings.DIM} dimensions need as many drawings to learn from, but there are {count} "
            f"(DATASETS.NAMES has {len(samples)}, TEST.WHITENING.DRAWINGS is {settings.DRAWINGS})"
        )
    chosen = [samples[place * len(samples) // count] for place in range(count)]
    return Splits(f"{'-'.join(cfg.DATASETS.NAMES)}-whitening", [], [], chosen)


def training_whitening(cfg, dim_in, extract):
    """Return the Whitening that TEST.WHITENING asks for, learned on rows of length 1 and to be applied to such.

    Args:
        cfg: the configuration (TEST.WHITENING, DATASETS.NAMES).
        dim_in: dimensions of the features that it is for.
        extract: function of a Splits -> float32 [its drawings, dim_in], by the network of those features.

    Raises:
        ConfigError: DIM is more than the features or the training drawings have; as `whitening_set`.
    """
    dim = cfg.TEST.WHITENING.DIM
    if dim > dim_in:
        raise ConfigError(f"TEST.WHITENING.DIM is {dim}, but the features have only {dim_in} dimensions")
    return learn_whitening(normalise(extract(whitening_set(cfg))), dim)
