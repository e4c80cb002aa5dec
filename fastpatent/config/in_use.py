"""Configurations of trained networks in use: which weights they mean, and the data sets of another configuration."""

import logging
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from yacs.config import CfgNode

from fastpatent.config.by_name import FOLDER, find_file
from fastpatent.config.loader import load_config
from fastpatent.errors import ConfigError
from fastpatent.files import open_regular

CONFIG = "config.yaml"  # of a run, in its folder
MARK = "# written by fastpatent train"  # its first line
BEST, FINAL = "model_best.pth", "model_final.pth"
logger = logging.getLogger(__name__)


def load_config_in_use(config_file: str | PathLike[str] | None = None, overrides: Sequence[str] = ()) -> CfgNode:
    """Load the configuration of a trained network to use it, as `load_config`, with the weights that it means.

    The `config.yaml` of a run means the run's own: model_best.pth, else model_final.pth; the MODEL.WEIGHTS in it are those
    that its training started from. A relative MODEL.WEIGHTS is looked for beside `config_file`, then in the working
    directory; one in `overrides` counts in every case, and is looked for in the working directory first.

    Raises:
        ConfigError: as `load_config`; or there are no weights in either place.
    """
    config_file = find_file(config_file) if config_file else ""
    cfg = load_config(config_file, overrides)
    places = _places_of_weights(cfg, config_file, overrides)
    found = _first_there(places)
    if len(places) > 1 and not os.path.exists(found):
        raise ConfigError(
            f"MODEL.WEIGHTS: there is neither {places[0]} nor {places[1]}; write the path of a trained network, "
            "for example logs/.../model_best.pth"
        )
    if found != cfg.MODEL.WEIGHTS:
        logger.info(f"weights: {found}, beside the configuration")
    cfg.defrost()
    cfg.MODEL.WEIGHTS = found
    cfg.freeze()
    return cfg


def load_config_on(
    cfg: CfgNode, config_file: str | PathLike[str], overrides: Sequence[str] = (), output_dir: str = "", weights: str = ""
) -> CfgNode:
    """Load a file for the data sets and the device of another configuration, whatever its own are; else as `load_config`.

    Args:
        cfg: the other configuration.
        config_file, overrides: as of `load_config`.
        output_dir, weights: OUTPUT_DIR and MODEL.WEIGHTS; where not given the file's own, which may be missing, found as by
            `load_config_in_use`. A `$` in them is part of the name.
    """
    config_file = find_file(config_file)
    names = ["DATASETS.NAMES", str(tuple(cfg.DATASETS.NAMES)), "DATASETS.TESTS", str(tuple(cfg.DATASETS.TESTS))]
    own = load_config(config_file, [*overrides, *names]).clone()
    own.defrost()
    own.DATASETS, own.MODEL.DEVICE, own.OUTPUT_DIR = cfg.DATASETS, cfg.MODEL.DEVICE, output_dir or own.OUTPUT_DIR
    own.MODEL.WEIGHTS = weights or _first_there(_places_of_weights(own, config_file, overrides))
    own.freeze()
    return own


def _places_of_weights(cfg: CfgNode, config_file: str, overrides: Sequence[str]) -> list[str]:
    """Return where MODEL.WEIGHTS may lie, one path or two, the first before the second."""
    weights, folder = cfg.MODEL.WEIGHTS, os.path.dirname(config_file)
    if Path(config_file).absolute().is_relative_to(FOLDER):
        folder = ""  # no weights lie beside the configurations that come with fastpatent
    given = "MODEL.WEIGHTS" in overrides[::2]
    is_network = not (cfg.DESCRIPTOR.NAME or cfg.TEST.ENSEMBLE.CONFIGS)
    if is_network and not given and _is_of_run(config_file):
        return [os.path.join(folder, name) for name in (BEST, FINAL)]
    if not is_network or not weights:
        return [weights]
    beside = os.path.join(folder, weights)  # the same where it is absolute
    return list(dict.fromkeys([weights, beside] if given else [beside, weights]))


def _first_there(places: Sequence[str]) -> str:
    return next(filter(os.path.exists, places), places[-1])


def _is_of_run(config_file: str) -> bool:
    """Return whether a training has written a configuration, and it is where it was written."""
    if os.path.basename(config_file) != CONFIG:
        return False
    with open_regular(config_file) as file:
        return file.read(len(MARK)) == MARK.encode()
