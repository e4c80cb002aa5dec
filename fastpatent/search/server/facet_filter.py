"""A filter as the page shows it: values of facets that are ticked, and the rest, in the language of filters."""

import re
from collections.abc import Mapping, Sequence

from fastpatent.search.facets import FACETS

FIELDS = dict(zip(FACETS, ("class", "locarno", "date")))  # facet: field of a filter
VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")
PART = re.compile(rf"({'|'.join(FIELDS.values())}) in \(((?:{VALUE.pattern})(?:, (?:{VALUE.pattern}))*)\)(?: and |\Z)")


def join_filter(chosen: Mapping[str, Sequence[str]], rest: str) -> str:
    """Return the filter that drawings pass which have, of each facet with values, one of them, and pass the rest."""
    parts = [f"{FIELDS[facet]} in ({', '.join(map(_quoted, chosen[facet]))})" for facet in FACETS if chosen.get(facet)]
    return " and ".join([*parts, f"({rest})"] if parts and rest.strip() else parts or [rest.strip()])


def split_filter(where: str) -> tuple[dict[str, list[str]], str]:
    """Return ({facet: values}, rest) of what `join_filter` has written; of any other filter all is rest."""
    chosen, place = {}, 0
    facets = {field: facet for facet, field in FIELDS.items()}
    while part := PART.match(where, place):
        chosen[facets[part[1]]] = [value[1:-1] for value in VALUE.findall(part[2])]
        place = part.end()
    rest = where[place:]
    if chosen and rest:
        rest = rest[1:-1] if _is_bracketed(rest) else ""
    return (chosen, rest) if join_filter(chosen, rest) == where else ({}, where)


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def _is_bracketed(text: str) -> bool:
    """Return whether a text is in one pair of brackets, and not `(a) or (b)`."""
    inner, depth = VALUE.sub("", text[1:-1]), 0
    for letter in inner:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return False
    return text[:1] == "(" and text[-1:] == ")"
