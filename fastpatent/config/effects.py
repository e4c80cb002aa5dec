"""Settings without effect: keys that take effect only where another key has a certain value."""

from collections.abc import Iterable, Iterator
from typing import Any

from yacs.config import CfgNode

from fastpatent.config.key import Component
from fastpatent.config.keys import KEYS
from fastpatent.config.names import section_of
from fastpatent.registry import OPTIMIZERS

RESNET = ("MODEL.BACKBONE.NAME", ("build_resnet_backbone",))
TIMM = ("MODEL.BACKBONE.NAME", ("timm",))
MARGINS = ("MODEL.HEADS.CLS_LAYER", ("ArcSoftmax", "CircleSoftmax", "CosSoftmax"))
IDENTITIES = ("DATALOADER.SAMPLER_TRAIN", ("NaiveIdentitySampler", "BalancedIdentitySampler", "CrossDomainSampler"))
ANY = ()  # any value but an empty one

MORE = {"INPUT.PADDING.VALUE"}  # its section's ENABLED does not switch it: it also fills what a rotation uncovers

# {key, or section: (key that switches it, its values that do)}; where a section has a key ENABLED, that one switches it
SWITCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "MODEL.FREEZE_LAYERS": ("SOLVER.FREEZE_ITERS", ANY),
    "SOLVER.FREEZE_ITERS": ("MODEL.FREEZE_LAYERS", ANY),
    "MODEL.BACKBONE.TIMM_NAME": TIMM,
    "MODEL.BACKBONE.DROP_PATH_RATIO": TIMM,
    "MODEL.BACKBONE.DEPTH": RESNET,
    "MODEL.BACKBONE.LAST_STRIDE": RESNET,
    "MODEL.BACKBONE.WITH_IBN": RESNET,
    "MODEL.BACKBONE.WITH_NL": RESNET,
    "MODEL.HEADS.MARGIN": MARGINS,
    "MODEL.HEADS.EASY_MARGIN": ("MODEL.HEADS.CLS_LAYER", ("ArcSoftmax",)),
    "MODEL.LOSSES.CE": ("MODEL.LOSSES.NAME", ("CrossEntropyLoss",)),
    "MODEL.LOSSES.FL": ("MODEL.LOSSES.NAME", ("FocalLoss",)),
    "MODEL.LOSSES.TRI": ("MODEL.LOSSES.NAME", ("TripletLoss", "CrossDomainTripletLoss")),
    "MODEL.LOSSES.CIRCLE": ("MODEL.LOSSES.NAME", ("CircleLoss",)),
    "MODEL.LOSSES.COSFACE": ("MODEL.LOSSES.NAME", ("Cosface",)),
    "MODEL.LOSSES.MINED": ("MODEL.LOSSES.NAME", ("MinedTripletLoss", "MinedContrastiveLoss")),
    "DATASETS.CAPTIONS.TABLE": ("DATASETS.CAPTIONS.TABLE.FILE", ANY),
    "DATALOADER.NUM_INSTANCE": IDENTITIES,
    "DATALOADER.MINING": ("DATALOADER.SAMPLER_TRAIN", ("MinedTupleSampler",)),
    "SOLVER.WARMUP_FACTOR": ("SOLVER.WARMUP_ITERS", ANY),
    "SOLVER.WARMUP_METHOD": ("SOLVER.WARMUP_ITERS", ANY),
    "SOLVER.STEPS": ("SOLVER.SCHED", ("MultiStepLR",)),
    "SOLVER.GAMMA": ("SOLVER.SCHED", ("MultiStepLR",)),
    "SOLVER.ETA_MIN_LR": ("SOLVER.SCHED", ("CosineAnnealingLR",)),
    "SOLVER.MOMENTUM": ("SOLVER.OPT", ("SGD",)),
    "SOLVER.NESTEROV": ("SOLVER.OPT", ("SGD",)),
}


def without_effect(cfg: CfgNode, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, why) of those keys that another key switches off, though they differ from their defaults.

    Args:
        cfg: the merged configuration.
        names: keys that the user has set. Where `ENABLED: False` is one, the rest of its section is parked on purpose.
    """
    names = set(names)
    for name in sorted(names):
        parked = f"{name.rpartition('.')[0]}.ENABLED" in names - {name}
        if KEYS[name].ignored or _value(cfg, name) == KEYS[name].default or parked:
            continue
        if reason := _switched_off(cfg, name):
            yield name, reason


def _switched_off(cfg: CfgNode, name: str) -> str:
    """Return why a key has no effect; empty where it has."""
    section, _, last = name.rpartition(".")
    if last == "ENABLED":
        return f"{section}.PROB is 0" if f"{section}.PROB" in KEYS and not _value(cfg, f"{section}.PROB") else ""
    if f"{section}.ENABLED" in KEYS and name not in MORE and not _value(cfg, f"{section}.ENABLED"):
        return f"{section}.ENABLED is False"
    switch, values = SWITCHES.get(name) or SWITCHES.get(section, (name, ANY))
    found = _value(cfg, switch)
    if switch == name:
        return ""
    if values == ANY:
        return "" if found else f"{switch} is {found if isinstance(found, int) else 'empty'}"
    named = found if isinstance(found, (list, tuple)) else [found]
    if any(_is_from_outside(switch, value) for value in named):  # it may read any key
        return ""
    return "" if {*values} & {*named} else f"{switch} is {', '.join(map(str, named)) or 'empty'}"


def _is_from_outside(name: str, value: str) -> bool:
    """Return whether a value names a component that was registered from outside the package."""
    rule = KEYS[name].rule
    if not isinstance(rule, Component):
        return False
    component = rule.registry.all().get(value)
    module = getattr(getattr(component, "func", component), "__module__", "")  # .func of a partial
    return not module.startswith("fastpatent.") and rule.registry is not OPTIMIZERS


def _value(cfg: CfgNode, name: str) -> Any:
    found = section_of(cfg, name)
    assert found, f"{name} is a key"
    return found[0][found[1]]
