"""The systems that a benchmark compares: configurations of networks and descriptors, and trained runs."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from yacs.config import CfgNode

from fastpatent.config import load_config_on
from fastpatent.config.by_name import find_file
from fastpatent.config.in_use import BEST, CONFIG
from fastpatent.errors import ConfigError


class System(NamedTuple):
    """One system of a benchmark.

    Attributes:
        name: for tables.
        source: the configuration or weights file it comes from.
        cfg: its configuration, with the benchmark's data and device, and an OUTPUT_DIR inside the benchmark's.
        lacks: why it cannot be measured; empty where it can.
    """

    name: str
    source: str
    cfg: CfgNode
    lacks: str = ""


def read_systems(cfg: CfgNode) -> list[System]:
    """Return the Systems of BENCHMARK.SYSTEMS, then those of BENCHMARK.LOGS: folders with config.yaml and model_best.pth.

    Missing weights are not an error: the system then has them in `lacks`. The same holds for a run whose configuration or
    weights this version cannot read.

    Raises:
        ConfigError: a file of SYSTEMS or the folder LOGS is missing, a file is wrong, or nothing is listed.
    """
    systems = [_configured(cfg, Path(file), name) for name, file in _names(cfg.BENCHMARK.SYSTEMS).items()]
    if cfg.BENCHMARK.LOGS:
        systems += [_trained(cfg, *run) for run in _runs(Path(cfg.BENCHMARK.LOGS), Path(cfg.OUTPUT_DIR))]
    if not systems:
        raise ConfigError("BENCHMARK.SYSTEMS and BENCHMARK.LOGS name no system")
    return systems


def _names(files: Sequence[str]) -> dict[str, str]:
    """Return {name: file}; a name is the file's, with as many of its folders as make it unique."""
    parts = {file: Path(file).with_suffix("").parts[::-1] for file in files}
    depths = dict.fromkeys(parts, 1)
    for pair in pairwise(sorted(parts, key=parts.__getitem__)):  # the end of a path is longest shared with a neighbour
        shared = len(os.path.commonprefix([parts[file] for file in pair]))
        for file in pair:
            depths[file] = max(depths[file], shared + 1)
    return {"/".join(parts[file][: depths[file]][::-1]): file for file in parts}


def _configured(cfg: CfgNode, file: Path, name: str) -> System:
    if not os.path.isfile(path := find_file(file)):
        raise ConfigError(f"BENCHMARK.SYSTEMS: there is no file {file}")
    own = load_config_on(cfg, path, output_dir=_folder(cfg, name))
    lacks = ""
    if not own.DESCRIPTOR.NAME and not own.TEST.ENSEMBLE.CONFIGS and not Path(own.MODEL.WEIGHTS).is_file():
        lacks = f"MODEL.WEIGHTS names no file: {own.MODEL.WEIGHTS!r}"
    return System(name, str(file), own, lacks)


def _runs(logs: Path, own: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, folder) of every trained run below `logs`, except those in the benchmark's `own` folder."""
    if not logs.is_dir():
        raise ConfigError(f"BENCHMARK.LOGS: there is no folder {logs}")
    for weights in sorted(logs.rglob(BEST)):
        run = weights.parent
        if os.path.lexists(run / CONFIG) and own.resolve() not in run.resolve().parents:
            yield str(run.relative_to(logs)), run


def _trained(cfg: CfgNode, name: str, run: Path) -> System:
    weights = str(run / BEST)
    if not os.path.isfile(weights):
        return System(name, weights, cfg, f"{weights}: is not a regular file")
    try:
        own = load_config_on(cfg, run / CONFIG, output_dir=_folder(cfg, name), weights=weights)
    except ConfigError as error:
        return System(name, weights, cfg, str(error))
    return System(name, weights, own)


def _folder(cfg: CfgNode, name: str) -> str:
    return str(Path(cfg.OUTPUT_DIR) / "systems" / name)
