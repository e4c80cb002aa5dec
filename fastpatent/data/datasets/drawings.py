"""The user's own images: a folder `<identity>/<drawing>`, split by identity."""

import os
from collections.abc import Collection, Iterable

from yacs.config import CfgNode

from fastpatent.config.keys import KEYS
from fastpatent.data.confinement import confined_to, refuse_outside
from fastpatent.data.datasets import DATASETS
from fastpatent.data.image_files import LOOSE, count_skipped, find_drawings, own_folders
from fastpatent.data.pack.place import packed_files
from fastpatent.data.records import Sample, Splits
from fastpatent.data.splitting import add_validation, validation_identities
from fastpatent.errors import ConfigError, DataError


@DATASETS.register(name="Drawings")
def read_drawings(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """Split the folder DATASETS.ROOT; it has no lists to verify, so `parts` and `verify` have no effect."""
    settings, root = cfg.DATASETS.DRAWINGS, KEYS["DATASETS.ROOT"].default
    if cfg.DATASETS.ROOT == root:
        raise ConfigError(
            f"DATASETS.ROOT: name the folder of your own drawings; {root}, its default, may be written ./{root}"
        )
    given = own_folders(cfg), confined_to(cfg), packed_files(cfg)
    return split_folder(cfg.DATASETS.ROOT, settings.VAL_FRACTION, settings.SEED, *given)


def split_folder(
    root: str | os.PathLike[str],
    val_fraction: float,
    seed: int,
    outputs: Iterable[str] = (),
    within: str | os.PathLike[str] | None = None,
    packed: Iterable[str] = (),
) -> Splits:
    """Split a folder of images into training and validation identities.

    The identity is the image's folder, relative to `root`. A validation identity with two or more images gives one query,
    with four or more two; its other images are the gallery. The choice of identities and queries depends on their names and
    the seed alone, so a design added later moves few of the others.

    Args:
        root: the folder.
        val_fraction: share of the identities for validation, in (0, 1); each side gets at least one.
        seed: of the choice of identities and queries.
        outputs, within: see `find_drawings`.
        packed: the images where the folder has no image file, absolute paths below it, see `packed_files`.

    Returns:
        Splits; what was skipped by `find_drawings`, and images directly in `root`, are in `skipped`.

    Raises:
        DataError: fewer than two identities, or what else there is lies outside.
    """
    drawings: dict[str, list[str]] = {}
    found, skipped = find_drawings(root, outputs, within)
    prefix = os.path.join(os.path.abspath(root), "")
    for relative in found or sorted(path.removeprefix(prefix) for path in packed):
        identity = os.path.dirname(relative)
        if identity:
            drawings.setdefault(identity, []).append(relative)
        else:
            skipped.setdefault(LOOSE, []).append(os.path.abspath(os.path.join(root, relative)))
    if len(drawings) < 2:
        refuse_outside(skipped, str(root))
        raise DataError(
            f"{root}: {len(drawings)} folders with drawings; Drawings needs at least two, "
            f"one folder per design, as in <design>/<drawing>.png{count_skipped(skipped)}"
        )
    splits = Splits("Drawings", [], [], [], skipped=skipped)
    validation = validation_identities(drawings, val_fraction, seed)
    for identity, names in drawings.items():
        samples = [Sample(os.path.abspath(os.path.join(root, name)), identity) for name in names]
        if identity in validation:
            add_validation(splits, samples, names, seed)
        else:
            splits.train += samples
    return splits
