"""Dotted names of configuration keys: listing them, finding one, and the nearest to a misspelt one."""

from collections.abc import Iterator
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from yacs.config import CfgNode


def leaves(node: CfgNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every key of a yacs node that is not a section, in the node's order."""
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def section_of(node: CfgNode, key: str) -> tuple[CfgNode, str] | None:
    """Return (section, last name) of a dotted key; None where there is no such section or no such name in it."""
    *sections, name = key.split(".")
    for section in sections:
        found = node.get(section)
        if not isinstance(found, CfgNode):
            return None
        node = found
    return (node, name) if name in node else None


def nearest_key(key: str, node: CfgNode) -> str:
    """Return `; did you mean SECTION.NAME?` for an unknown dotted key, or the valid names beside it.

    The right name in another section (SOLVER.METRIC for TEST.METRIC) counts as nearer than a similar name in the same
    section, unless the latter differs by a letter or two.
    """
    wanted = key.upper()
    parent, _, last = wanted.rpartition(".")
    names = [name for name in _sections_and_leaves(node) if not wanted.startswith(f"{name}.")]
    beside = {_last(name): name for name in names if name.rpartition(".")[0] == parent}
    by_last = {_last(name): name for name in names}
    by_words = {name.replace(".", "_"): name for name in names}

    def close(written: str, named: dict[str, str], cutoff: float) -> list[str]:
        return [named[match] for match in get_close_matches(written, named, n=1, cutoff=cutoff)]

    found = (
        [name for name in names if name == wanted]
        or close(last, beside, 0.8)
        or close(wanted.replace(".", "_"), by_words, 0.95)
        or sorted((name for name in names if _last(name) == last), key=lambda name: -_similarity(name, wanted))[:3]
        or close(last, beside, 0.6)
        or [beside[name] for name in beside if last in name.split("_")][:3]
        or close(last, by_last, 0.8)
        or close(wanted.replace(".", "_"), by_words, 0.85)
    )
    if found:
        return f"; did you mean {' or '.join(found)}?"
    return f"; {parent or 'the first level'} has {', '.join(beside)}" if beside else ""


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _similarity(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other).ratio()


def _sections_and_leaves(node: CfgNode, prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield prefix + name
        if isinstance(value, CfgNode):
            yield from _sections_and_leaves(value, f"{prefix}{name}.")
