"""ImageNet weights for a new network, and the normalisation of the images that they were trained with."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable

from torch import nn
from yacs.config import CfgNode

from fastpatent.config.report import short_value
from fastpatent.errors import CheckpointError
from fastpatent.models.families import CLASSIFIERS
from fastpatent.models.network import Backbone
from fastpatent.models.pretrained_files import KEY, is_name, pretrained_file
from fastpatent.models.weights import LoadReport, load_weights
from fastpatent.registry import NORMALISATIONS

NUMBERED = re.compile(r"\.(\d+)(?=\.)")  # a layer in the name of a parameter
logger = logging.getLogger(__name__)


def load_pretrained(backbone: Backbone, cfg: CfgNode) -> None:
    """Load MODEL.BACKBONE.PRETRAIN_PATH into `backbone`, whether or not MODEL.BACKBONE.PRETRAIN says so too.

    With PRETRAIN and no path, a warning reports that training starts from random weights. If MODEL.WEIGHTS is set, it
    replaces these weights, so nothing is loaded or reported. For a timm model MODEL.PIXEL_MEAN and PIXEL_STD are logged.

    Raises:
        ConfigError, CheckpointError: as `load_published`.
    """
    settings = cfg.MODEL.BACKBONE
    if not (settings.PRETRAIN or settings.PRETRAIN_PATH) or cfg.MODEL.WEIGHTS:
        return
    if not settings.PRETRAIN_PATH:
        logger.warning(f"MODEL.BACKBONE.PRETRAIN is set but {KEY} is empty: the backbone starts from random weights")
        return
    load_published(backbone.trunk, cfg)
    if settings.NAME == "timm" and (expected := timm_normalisation(cfg)):
        found, wanted = map(_normalisation, ((cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD), expected))
        origin = "as of" if found == wanted else f"set by the configuration; {wanted} of"
        logger.info(f"normalisation {found}, {origin} timm's {settings.TIMM_NAME}")


def load_published(trunk: nn.Module, cfg: CfgNode) -> None:
    """Load MODEL.BACKBONE.PRETRAIN_PATH into the `trunk` of a backbone, and log how many of its tensors are in the file.

    A table is logged if the file lacks a part of the backbone (non-local blocks, or IBN from plain weights), was fitted to
    another image size or number of channels, or holds several state dicts.

    Raises:
        ConfigError: no such weights, see `pretrained_file`.
        CheckpointError: the file cannot be read or belongs to another network.
    """
    report = load_weights(trunk, pretrained_file(cfg))
    _check_depth(report)
    # A classifier in the file without a place here is expected; a part of the backbone that is not in it is not.
    if report.notable:
        logger.warning("%s", report.table(rows=8))
    tensors = {*report.matched, *report.missing, *(row.name for row in report.reshaped)}
    loaded = f"{len(report.matched)} of {len(tensors)} tensors of the backbone"
    logger.info(f"pretrained    {loaded}, from {cfg.MODEL.BACKBONE.PRETRAIN_PATH}")


def starts_from_random(cfg: CfgNode) -> bool:
    """Return whether the configuration names no weights for a new network."""
    model = cfg.MODEL
    return not any((model.WEIGHTS, model.BACKBONE.PRETRAIN_PATH, *model.TOWER_WEIGHTS, model.CLIP.PRETRAINED))


def _normalisation(statistics: Iterable[list[float]]) -> str:
    return "mean {}; deviation {}".format(*map(short_value, statistics))


@NORMALISATIONS.register(name="timm")
def timm_normalisation(cfg: CfgNode) -> tuple[list[float], list[float]] | None:
    """Return the (means, standard deviations) of channels, over 0..255, that timm's weights of TIMM_NAME were trained with.

    None where PRETRAIN_PATH names a file, whose origin is not known, and where timm has no such model.
    """
    if not is_name(cfg.MODEL.BACKBONE.PRETRAIN_PATH):
        return None
    import timm

    try:
        trained = timm.get_pretrained_cfg(cfg.MODEL.BACKBONE.TIMM_NAME)
    except RuntimeError:  # no such tag, which the backbone's builder reports with the nearest
        return None
    return trained and ([255 * value for value in trained.mean], [255 * value for value in trained.std])


def _check_depth(report: LoadReport) -> None:
    """Raise CheckpointError if a list of layers is longer in the file than in the network, or shorter.

    Two networks that differ in depth alone may have enough in common for `load_weights`.
    """
    both = [*report.matched, *(row.name for row in report.reshaped)]
    here, there = _layer_lists([*both, *report.missing]), _layer_lists([*both, *report.unexpected])
    for name in sorted(here.keys() & there.keys()):
        if here[name] != there[name] and not f"{name}.".startswith(CLASSIFIERS):
            counts = f"{len(there[name])} layers in the file and {len(here[name])} here"
            raise CheckpointError(
                f"{report.source}: belongs to another network: {name} has {counts}; name weights of MODEL.BACKBONE's network"
            )


def _layer_lists(names: Iterable[str]) -> dict[str, set[str]]:
    """Return {list of layers: numbers of its layers} of the names of parameters: {layer1: {0}} of layer1.0.conv1.weight."""
    lists: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for match in NUMBERED.finditer(name):
            lists[name[: match.start()]].add(match[1])
    return lists
