"""A configuration for its user: what differs from the defaults, the whole as YAML, and what each key means."""

from typing import Any, NamedTuple

import yaml
from tabulate import tabulate
from yacs.config import CfgNode

from fastpatent.config.defaults import get_cfg
from fastpatent.config.key import NONE, Component, Key
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves, nearest_key
from fastpatent.errors import ConfigError
from fastpatent.text import escaped


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

    differences: list[Difference]
    yaml: str


def describe(cfg: CfgNode) -> Description:
    """Compare a yacs node with the defaults; return a Description."""
    defaults = dict(leaves(get_cfg()))
    differences = [Difference(key, value, defaults[key]) for key, value in leaves(cfg) if value != defaults[key]]
    return Description(differences, yaml.dump(_plain(cfg), Dumper=_Dumper, sort_keys=False, width=120))


def differences_table(cfg: CfgNode) -> str:
    """Return what differs from the defaults as plain text, one line a key; one sentence where nothing does."""
    rows = [(key, short_value(value), short_value(default)) for key, value, default in describe(cfg).differences]
    if not rows:
        return "every key has its default"
    return tabulate(rows, headers=("key", "value", "default"), tablefmt="simple", disable_numparse=True)


class _Dumper(yaml.SafeDumper):
    """Sections below each other, lists on one line; a list that two keys share is written twice, as no alias is read."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


_Dumper.add_representer(
    list, lambda dumper, values: dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)


def settings_yaml(settings: dict[str, Any]) -> str:
    """Return {dotted key: value} as the text of a file to load."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        section = nested
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = _plain(value)
    return yaml.dump(nested, Dumper=_Dumper, sort_keys=False, width=120)


def _plain(value: Any) -> Any:
    if isinstance(value, CfgNode):
        return {name: _plain(child) for name, child in value.items()}
    return list(value) if isinstance(value, tuple) else value


def short_value(value: Any) -> str:
    """Write a value in short: floats to six digits, lists and text without brackets and quotes."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(short_value, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return escaped(str(value)) if value != "" else "none"


def explain(name: str) -> str:
    """Return the default, constraint and meaning of a key, or of every key of a section, as plain text.

    Raises:
        ConfigError: there is no such key; the message has the nearest name.
    """
    keys = [key for key in KEYS.values() if key.name == name or key.name.startswith(f"{name}.")]
    if not keys:
        raise ConfigError(f"{name} is no key{nearest_key(name, get_cfg())}")
    return "\n\n".join(map(_explained, keys))


def _explained(key: Key) -> str:
    valid = _valid(key)
    if isinstance(key.rule, Component):
        valid += f": {', '.join(key.rule.registry.names())}"
    lines = [("default", _written(key.default)), ("meaning", key.meaning), ("valid", valid)]
    lines += [
        ("features", "decided by it" if _decides(key) else "do not depend on it"),
        ("fast-reid", "no" if key.ours else "yes"),
        ("resumed run", f"another value {key.resumed}"),
    ]
    return "\n".join([key.name, *(f"  {title:16s}{text}" for title, text in lines)])


def keys_table() -> str:
    """Return every key as one Markdown table per section of the first level."""
    lines: list[str] = []
    section = None
    for key in KEYS.values():
        first = key.name.partition(".")[0] if "." in key.name else "General"
        if first != section:
            section = first
            lines += ["", f"### {section}", "", "| key | default | meaning | valid | decides |", "|---|---|---|---|---|"]
        origin = "" if key.ours else " *"
        cells = [f"`{key.name}`{origin}", f"`{_written(key.default)}`", key.meaning, _valid(key), _decides(key)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines[1:]) + "\n"


def _written(value: Any) -> str:
    """Write a default as YAML would have it, floats to six digits."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, float):
        return f"{value:.6g}" if value != int(value) else f"{value:.1f}"
    return '""' if value == "" else str(value)


def _valid(key: Key) -> str:
    if key.ignored:
        return "ignored"
    kinds = {bool: "True or False", int: "whole number", float: "number", str: "text", list: "list", tuple: "list"}
    return key.rule.words if key.rule else kinds[type(key.default)]


def _decides(key: Key) -> str:
    return "" if key.features == NONE else "features"
