"""The user's own images: a folder `<identity>/<drawing>`, split by identity."""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized

from yacs.config import CfgNode

from fastpatent.data.datasets import DATASETS
from fastpatent.data.samples import Sample, Splits, find_drawings
from fastpatent.errors import ConfigError, DataError

MANY = 4  # identities of at least this many drawings give two queries instead of one


@DATASETS.register(name="Drawings")
def read_drawings(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """Split the folder DATASETS.ROOT; it has no lists to verify, so `parts` and `verify` have no effect."""
    return split_folder(cfg.DATASETS.ROOT, cfg.DATASETS.DRAWINGS.VAL_FRACTION, cfg.DATASETS.DRAWINGS.SEED)


def split_folder(root: str | os.PathLike[str], val_fraction: float, seed: int) -> Splits:
    """Split a folder of images into training and validation identities.

    The identity is the image's folder, relative to `root`. A validation identity with two or more images gives one query,
    with four or more two; its other images are the gallery. The choice of identities and queries depends on their names and
    the seed alone, so a design added later moves few of the others.

    Args:
        root: the folder.
        val_fraction: share of the identities for validation, in (0, 1); each side gets at least one.
        seed: of the choice of identities and queries.

    Raises:
        ConfigError: the fraction is not between 0 and 1.
        DataError: fewer than two identities.
    """
    check_fraction(val_fraction)
    drawings: dict[str, list[str]] = {}
    for relative in find_drawings(root):
        identity = os.path.dirname(relative)
        if identity:  # images directly in `root` have no identity
            drawings.setdefault(identity, []).append(relative)
    if len(drawings) < 2:
        raise DataError(
            f"{root}: {len(drawings)} folders with drawings; Drawings needs at least two, "
            "one folder per design, as in <design>/<drawing>.png"
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


def check_fraction(val_fraction: float) -> None:
    """Raise ConfigError where the fraction of validation identities is not in (0, 1)."""
    if not 0 < val_fraction < 1:
        raise ConfigError(f"DATASETS.DRAWINGS.VAL_FRACTION: {val_fraction} is not between 0 and 1")


def add_validation(splits: Splits, samples: Sequence[Sample], names: Sequence[str], seed: int) -> None:
    """Add the samples of one validation identity to queries and gallery; `names` determine the choice of queries."""
    asked = query_names(set(names), seed)
    for sample, name in zip(samples, names):
        (splits.query if name in asked else splits.gallery).append(sample)


def validation_identities(drawings: Mapping[str, Sized], val_fraction: float, seed: int) -> set[str]:
    """Return the identities of {identity: its samples} that are held out for validation."""
    order = hashed_order(drawings, seed)
    count = min(max(round(len(order) * val_fraction), 1), len(order) - 1)
    chosen = order[:count]
    askable = [identity for identity in order if len(drawings[identity]) > 1]
    if askable and not set(askable) & set(chosen):
        chosen[-1] = askable[0]  # else there would be no query
    return set(chosen)


def query_names(names: Collection[str], seed: int) -> Sequence[str]:
    """Return the queries of an identity, as in DeepPatent: one of 2 or 3 samples, two of 4 or more, none of a single one."""
    if len(names) < 2:
        return ()
    return hashed_order(names, seed)[: 2 if len(names) >= MANY else 1]


def hashed_order(names: Iterable[str], seed: int) -> list[str]:
    """Return names in a random order; the sort key of each name depends on the name and the seed alone."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest())
