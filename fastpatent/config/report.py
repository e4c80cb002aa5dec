"""A configuration told to a person: what differs from the defaults, and the whole of it as YAML."""

from typing import Any, NamedTuple

import yaml
from tabulate import tabulate
from yacs.config import CfgNode

from fastpatent.config.defaults import get_cfg
from fastpatent.config.keys import leaves


class Difference(NamedTuple):
    """One key whose value is not its default."""

    key: str
    value: Any
    default: Any


class Description(NamedTuple):
    """What `describe` finds.

    Attributes:
        differences: list of Difference, in the order of the defaults.
        yaml: the merged configuration; a file with this text loads to the same configuration.
    """

    differences: list
    yaml: str


def describe(cfg):
    """Compare a yacs node with the defaults; return a Description."""
    defaults = dict(leaves(get_cfg()))
    differences = [Difference(key, value, defaults[key]) for key, value in leaves(cfg) if value != defaults[key]]
    return Description(differences, yaml.dump(_plain(cfg), Dumper=_Dumper, sort_keys=False, width=120))


def differences_table(cfg):
    """Return what differs from the defaults as plain text, one line a key; one sentence where nothing does."""
    rows = [(key, _short(value), _short(default)) for key, value, default in describe(cfg).differences]
    if not rows:
        return "every key has its default"
    return tabulate(rows, headers=("key", "value", "default"), tablefmt="simple", disable_numparse=True)


class _Dumper(yaml.SafeDumper):
    """Sections below each other, lists on one line."""


_Dumper.add_representer(
    list, lambda dumper, values: dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)


def _plain(value):
    if isinstance(value, CfgNode):
        return {name: _plain(child) for name, child in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _short(value):
    """Write a value on little room: floats to six digits, lists and text without brackets and quotes."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_short, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "none"
