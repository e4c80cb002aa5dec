"""The data sets that a configuration names, ready to train or test on."""

import logging
import os
from collections.abc import Callable, Sequence

from yacs.config import CfgNode

from fastpatent.config.keys import KEYS
from fastpatent.data.captions import with_captions
from fastpatent.data.confinement import Confinement, confined_to, refuse_outside, remove_outside
from fastpatent.data.datasets import DATASETS
from fastpatent.data.degenerate import degeneracies
from fastpatent.data.records import PARTS, Sample, Splits, add_skipped, unmatched_queries
from fastpatent.errors import ConfigError, DataError, FastPatentError

EXAMPLES = 3  # cases of a fault that are shown
logger = logging.getLogger(__name__)


def read_set(cfg: CfgNode, name: str, parts: Sequence[str] | None = None, verify: bool = True) -> Splits:
    """Return the Splits of the data set `name`, with the texts of DATASETS.CAPTIONS.TABLE; as `build_splits`."""
    return with_captions(build_splits(cfg, name, parts, verify), cfg)


def build_splits(cfg: CfgNode, name: str, parts: Sequence[str] | None = None, verify: bool = True) -> Splits:
    """Return the Splits of the data set `name`, as its builder does; every command gets the paths of its images here.

    Raises:
        ConfigError: the name is unknown.
        DataError: images lie outside of DATASETS.ROOT; with `verify` False they are in `skipped` instead, and not in a part.
    """
    splits = dataset_builder(cfg, name, parts)(cfg, parts=parts, verify=verify)
    remove_outside(splits, Confinement(confined_to(cfg)))
    if verify:
        refuse_outside(splits.skipped, name)
    return splits


def dataset_builder(cfg: CfgNode, name: str, parts: Sequence[str] | None = None) -> Callable[..., Splits]:
    """Return the builder of a data set; ConfigError with the key that names it where there is none."""
    if complaint := DATASETS.complaint(name):
        tested = name not in cfg.DATASETS.NAMES or "train" not in (parts or PARTS)
        key = "DATASETS.TESTS" if name in cfg.DATASETS.TESTS and tested else "DATASETS.NAMES"
        hint = f'; this is the default, write your own, as in {key} "[Drawings]" DATASETS.ROOT FOLDER'
        default = hint if name in KEYS[key].default else ""
        raise ConfigError(f"{key}: {complaint}{default}")
    return DATASETS.get(name)


def load_training_set(cfg: CfgNode, skipped: dict[str, list[str]] | None = None) -> list[Sample]:
    """Read and join the training images of DATASETS.NAMES; with COMBINEALL their queries and galleries too.

    Where several data sets are joined, an identity becomes `<data set>/<identity>`: the same folder name in two of them
    need not be the same design.

    Args:
        skipped: dict that `Splits.skipped` of all data sets is added to, or None.

    Returns:
        list of `Sample`.

    Raises:
        ConfigError: a name is unknown, or a data set has no training images.
        DataError: a list or image is missing, or nothing is left to train on.
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
        if skipped is not None:
            add_skipped(skipped, splits.skipped)
    if not joined:
        raise DataError(f"DATASETS.NAMES: {', '.join(names)} below {cfg.DATASETS.ROOT} have no training drawing")
    return joined


def load_test_set(cfg: CfgNode, name: str, texts: bool = False) -> Splits:
    """Read the queries and the gallery of one data set of DATASETS.TESTS.

    Args:
        texts: captions are queries too, so an image with a caption needs no second image of its identity.

    Returns:
        Splits; `train` is empty where the data set has a list of its own for it.

    Raises:
        ConfigError: the name is unknown.
        DataError: a list or image is missing, or there is no query or no gallery.
    """
    splits = read_set(cfg, name, ("query", "gallery"))
    asked_by_text = texts and any(sample.caption for sample in splits.query + splits.gallery)
    if not asked_by_text and not (splits.query and splits.gallery):
        empty = "query" if not splits.query else "gallery drawing"
        raise DataError(f"DATASETS.TESTS: {name} below {cfg.DATASETS.ROOT} has no {empty}; an identity needs two drawings")
    return splits


def load_test_sets(
    cfg: CfgNode, texts: bool = False, skipped: dict[str, list[str]] | None = None, required: bool = True
) -> list[Splits]:
    """Read DATASETS.TESTS; report what was skipped and how many queries have nothing to find, and set `Splits.warnings`.

    Args:
        texts: see `load_test_set`.
        skipped: dict that `Splits.skipped` of all data sets is added to instead of being reported, or None.
        required: there must be one.

    Raises:
        ConfigError: DATASETS.TESTS is empty and `required`.
        DataError: as `load_test_set`, or no query of a labelled set has a match.
    """
    if required and not cfg.DATASETS.TESTS:
        raise ConfigError('DATASETS.TESTS is empty: name the data sets to rank, as in DATASETS.TESTS "[Patent]"')
    sets = [load_test_set(cfg, name, texts) for name in cfg.DATASETS.TESTS]
    trained = _training_identities(cfg) if sets else set()
    for splits in sets:
        splits.warnings = degeneracies(splits, trained)
        if skipped is None:
            report_skipped(splits.skipped, cfg.DATASETS.ROOT)
        else:
            add_skipped(skipped, splits.skipped)
        unmatched = unmatched_queries(splits.query, splits.gallery)
        if splits.query and len(unmatched) == len(splits.query):
            raise DataError(
                f"{splits.name}: no query has a drawing of its identity in the gallery, {unmatched[0].path} first"
            )
        if unmatched:
            logger.warning(
                f"{splits.name}: {len(unmatched)} queries have no drawing of their identity in the gallery and are excluded "
                f"from every metric, {unmatched[0].path} first"
            )
    return sets


def _training_identities(cfg: CfgNode) -> set[str | None]:
    """Return the identities of DATASETS.NAMES; none of a data set that is not here, as where only the test set is."""
    identities: set[str | None] = set()
    for name in cfg.DATASETS.NAMES:
        try:
            identities.update(sample.identity for sample in read_set(cfg, name, ("train",), verify=False).train)
        except FastPatentError:
            continue
    return identities


def report_skipped(cases: dict[str, list[str]], root: str) -> None:
    """Log the first cases of each kind of fault, and how many more there are; paths below `root` are relative to it."""
    prefix = os.path.abspath(root) + os.sep
    for kind, found in cases.items():
        for case in found[:EXAMPLES]:
            logger.info(f"{kind}: {case.replace(prefix, '')}")
        if len(found) > EXAMPLES:
            logger.info(f"{kind}: and {len(found) - EXAMPLES} more")
