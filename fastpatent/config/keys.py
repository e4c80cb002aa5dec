"""Dotted names of configuration keys: listing them, finding one, and the nearest to a misspelt one."""

from difflib import SequenceMatcher, get_close_matches

from yacs.config import CfgNode


def leaves(node, prefix=""):
    """Yield (dotted key, value) for every key of a yacs node that is no section, in the node's order."""
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def section_of(node, key):
    """Return (section, last name) of a dotted key; None where there is no such section or no such name in it."""
    *sections, name = key.split(".")
    for section in sections:
        node = node.get(section)
        if not isinstance(node, CfgNode):
            return None
    return (node, name) if name in node else None


def nearest_key(key, node):
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

    def close(written, named, cutoff):
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


def _last(name):
    return name.rpartition(".")[2]


def _similarity(name, other):
    return SequenceMatcher(None, name, other).ratio()


def _sections_and_leaves(node, prefix=""):
    for name, value in node.items():
        yield prefix + name
        if isinstance(value, CfgNode):
            yield from _sections_and_leaves(value, f"{prefix}{name}.")
