"""The data sets that a configuration names, ready to train or test on."""

from fastpatent.data.captions import with_captions
from fastpatent.data.datasets import DATASETS
from fastpatent.data.samples import PARTS
from fastpatent.errors import ConfigError, DataError


def read_set(cfg, name, parts=None, verify=True):
    """Return the Splits of the data set `name`, with the texts of DATASETS.CAPTIONS.TABLE; as a builder of DATASETS."""
    return with_captions(DATASETS.get(name)(cfg, parts=parts, verify=verify), cfg)


def load_training_set(cfg, left_out=None):
    """Read and join the training drawings of DATASETS.NAMES; with COMBINEALL their queries and galleries too.

    Where several data sets are joined, an identity becomes `<data set>/<identity>`: the same folder name in two of them
    is not known to be the same design.

    Args:
        left_out: dict that `Splits.left_out` of all data sets is added to, or None.

    Returns:
        list of `Sample`.

    Raises:
        ConfigError: a name is unknown, or that of a set without training drawings.
        DataError: a list or drawing is missing, or nothing is left to train on.
    """
    names = cfg.DATASETS.NAMES
    if not names:
        raise ConfigError("DATASETS.NAMES: no data set is named")
    parts = PARTS if cfg.DATASETS.COMBINEALL else ("train",)
    joined = []
    for name in names:
        splits = read_set(cfg, name, parts)
        samples = [sample for part in parts for sample in getattr(splits, part)]
        if len(names) > 1:
            samples = [sample._replace(identity=f"{name}/{sample.identity}") for sample in samples]
        joined += samples
        for kind, cases in splits.left_out.items() if left_out is not None else ():
            left_out.setdefault(kind, []).extend(cases)
    if not joined:
        raise DataError(f"DATASETS.NAMES: {', '.join(names)} below {cfg.DATASETS.ROOT} have no training drawing")
    return joined


def load_test_set(cfg, name, texts=False):
    """Read the query and gallery drawings of one data set of DATASETS.TESTS.

    Args:
        texts: a caption may be asked for its drawing, so that drawings with captions need no second one of their identity.

    Returns:
        Splits, its `train` left empty where the data set keeps it in a list of its own.

    Raises:
        ConfigError: the name is unknown.
        DataError: a list or drawing is missing, or there is no query or no gallery.
    """
    splits = read_set(cfg, name, ("query", "gallery"))
    asked_by_text = texts and any(sample.caption for sample in splits.query + splits.gallery)
    if not asked_by_text and not (splits.query and splits.gallery):
        empty = "query" if not splits.query else "gallery drawing"
        raise DataError(f"DATASETS.TESTS: {name} below {cfg.DATASETS.ROOT} has no {empty}; an identity needs two drawings")
    return splits
