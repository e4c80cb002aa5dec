"""The configuration in which every key has its default."""

import copy

from yacs.config import CfgNode

from fastpatent.config.keys import KEYS


def get_cfg() -> CfgNode:
    """Return a fresh yacs node with every key at its default."""
    cfg = CfgNode()
    for key in KEYS.values():
        *sections, name = key.name.split(".")
        node = cfg
        for section in sections:
            node = node.setdefault(section, CfgNode())
        node[name] = copy.copy(key.default)
    return cfg
