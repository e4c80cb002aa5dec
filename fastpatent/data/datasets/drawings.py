"""Anyone's own drawings: a folder `<identity>/<drawing>`, split by identity."""

import hashlib
import os

from fastpatent.data.datasets import DATASETS
from fastpatent.data.samples import Sample, Splits, find_drawings
from fastpatent.errors import ConfigError, DataError

MANY = 4  # from this many drawings on, an identity gives two queries instead of one


@DATASETS.register(name="Drawings")
def read_drawings(cfg, parts=None, verify=True):
    """Split the folder DATASETS.ROOT; what is found is there, so `parts` and `verify` change nothing."""
    return split_folder(cfg.DATASETS.ROOT, cfg.DATASETS.DRAWINGS.VAL_FRACTION, cfg.DATASETS.DRAWINGS.SEED)


def split_folder(root, val_fraction, seed):
    """Split a folder of drawings into training and validation identities.

    The identity is the folder that holds the drawing, relative to `root`. A validation identity with two or more drawings
    gives one query (two, from four drawings on); its other drawings are the gallery. Which identity and which drawing is
    chosen depends on their names and the seed alone, so a design added later moves few of the others.

    Args:
        root: the folder.
        val_fraction: share of the identities for validation, in (0, 1); at least one stays on either side.
        seed: chooses identities and queries.

    Returns:
        Splits.

    Raises:
        ConfigError: the fraction is not between 0 and 1.
        DataError: fewer than two identities.
    """
    check_fraction(val_fraction)
    drawings = {}
    for relative in find_drawings(root):
        identity = os.path.dirname(relative)
        if identity:  # a drawing beside the folders belongs to no design
            drawings.setdefault(identity, []).append(relative)
    if len(drawings) < 2:
        raise DataError(
            f"{root}: {len(drawings)} folders with drawings; Drawings needs at least two, "
            "one folder a design as in <design>/<drawing>.png"
        )
    splits = Splits("Drawings", [], [], [])
    validation = validation_identities(drawings, val_fraction, seed)
    for identity, names in drawings.items():
        samples = [Sample(os.path.abspath(os.path.join(root, name)), identity) for name in names]
        if identity in validation:
            add_validation(splits, samples, names, seed)
        else:
            splits.train += samples
    return splits


def check_fraction(val_fraction):
    """Raise ConfigError where a share of the identities would leave one side empty."""
    if not 0 < val_fraction < 1:
        raise ConfigError(f"DATASETS.DRAWINGS.VAL_FRACTION: {val_fraction} is not between 0 and 1")


def add_validation(splits, samples, names, seed):
    """Add the samples of one validation identity to the queries and the gallery; by their `names` the queries are chosen."""
    asked = query_names(set(names), seed)
    for sample, name in zip(samples, names):
        (splits.query if name in asked else splits.gallery).append(sample)


def validation_identities(drawings, val_fraction, seed):
    """Return the set of those of {identity: its drawings} that are held out."""
    order = hashed_order(drawings, seed)
    count = min(max(round(len(order) * val_fraction), 1), len(order) - 1)
    chosen = order[:count]
    askable = [identity for identity in order if len(drawings[identity]) > 1]
    if askable and not set(askable) & set(chosen):
        chosen[-1] = askable[0]  # without it nothing could be asked
    return set(chosen)


def query_names(names, seed):
    """Return which drawings of an identity ask, as in DeepPatent: one of 2 or 3, two of 4 and more, none of one alone."""
    if len(names) < 2:
        return ()
    return hashed_order(names, seed)[: 2 if len(names) >= MANY else 1]


def hashed_order(names, seed):
    """Return names in an order by chance in which each name's place depends on its letters and the seed alone."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest())
