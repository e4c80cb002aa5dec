"""Values of the right type that would stop a run, found when the configuration is loaded."""

from collections.abc import Iterator
from typing import Any

from yacs.config import CfgNode

from fastpatent.config.keys import KEYS
from fastpatent.config.keys.evaluation import AUTO
from fastpatent.config.names import leaves


def broken_rules(cfg: CfgNode) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, what is wrong) for every invalid value of a merged configuration.

    Defaults need not be valid: the data set of fast-reid is not here. A file that repeats them, as the config.yaml of a
    run does, loads too.
    """
    for name, value in leaves(cfg):
        if value != KEYS[name].default and (complaint := key_complaint(name, value)):
            yield name, complaint
    if cfg.INPUT.FIT != "paper" and not cfg.INPUT.KEEP_ASPECT:
        yield "INPUT.FIT", f"is {cfg.INPUT.FIT}, which needs INPUT.KEEP_ASPECT True"
    if cfg.SOLVER.OPT == "SGD" and cfg.SOLVER.NESTEROV and not cfg.SOLVER.MOMENTUM:
        yield "SOLVER.NESTEROV", "is True, which needs SOLVER.MOMENTUM above 0"
    if not cfg.TEST.BEST_METRIC or cfg.TEST.BEST_METRIC != [AUTO] and AUTO in cfg.TEST.BEST_METRIC:
        yield "TEST.BEST_METRIC", f"must name a metric, several, or {AUTO} alone, got {cfg.TEST.BEST_METRIC}"
    ensemble = cfg.TEST.ENSEMBLE
    if ensemble.WEIGHTS and len(ensemble.WEIGHTS) != len(ensemble.CONFIGS):
        found = f"{len(ensemble.WEIGHTS)} weights for {len(ensemble.CONFIGS)} networks"
        yield "TEST.ENSEMBLE.WEIGHTS", f"must be as many as TEST.ENSEMBLE.CONFIGS, or none: {found}"
    if len(cfg.MODEL.PIXEL_MEAN) != len(cfg.MODEL.PIXEL_STD):
        lengths = f"{len(cfg.MODEL.PIXEL_MEAN)} and {len(cfg.MODEL.PIXEL_STD)}"
        for name in ("MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"):
            yield name, f"must be as long as its companion: PIXEL_MEAN and PIXEL_STD have {lengths} values"


def key_complaint(name: str, value: Any) -> str:
    """Return what is wrong with the value of one key; empty where it is valid."""
    rule = KEYS[name].rule
    return rule.complaint(value) if rule else ""
