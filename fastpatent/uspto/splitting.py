"""Split patents into training, validation and test, and choose the queries: the protocol of DeepPatent.

Kucer et al., WACV 2022, section 3: 15% of the patents are for test, 15% of the others for validation, and 1 or 2 drawings
of each of these are the queries. Their lists show the rule: one query for 2 or 3 drawings, two for 4 or more, and no patent
with a single drawing in either part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastpatent.data.splitting import hashed_order, query_names
from fastpatent.uspto.patent import patent_folder


@dataclass
class Parts:
    """Drawings by part: {patent: paths relative to the folder of all drawings}, sorted by date."""

    train: dict[str, list[str]]
    val_query: dict[str, list[str]]
    val_db: dict[str, list[str]]
    test_query: dict[str, list[str]]
    test_db: dict[str, list[str]]


def distinct_drawings(
    drawings: Mapping[str, Sequence[tuple[str, str]]],
) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Remove byte-identical drawings, also across patents: the first by date and name stays.

    Args:
        drawings: {patent: list of (name, digest)}.

    Returns:
        ({patent: list of paths}, sorted by date, without patents that have no drawing left;
        list of (path removed, path of the one that stays)).
    """
    first: dict[str, str] = {}
    kept: dict[str, list[str]] = {}
    equal: list[tuple[str, str]] = []
    for patent in sorted(drawings, key=patent_folder):
        for name, digest in sorted(drawings[patent]):
            path = f"{patent_folder(patent)}/{name}"
            if first.setdefault(digest, path) == path:
                kept.setdefault(patent, []).append(path)
            else:
                equal.append((path, first[digest]))
    return kept, equal


def split_patents(drawings: Mapping[str, list[str]], seed: int, test_fraction: float, val_fraction: float) -> Parts:
    """Split patents into parts.

    The part and the queries of a patent depend on its name and the seed, and on the number of other patents only at the
    boundary between two parts: an added week moves few. Patents with a single drawing go to training, since they cannot have
    a query and a match.

    Args:
        drawings: {patent: list of paths}.
        seed: of the choice of patents and queries.
        test_fraction: share of the patents with two or more drawings, in (0, 1).
        val_fraction: share of the rest of them, in (0, 1).

    Returns:
        Parts. With three or more patents of two or more drawings, no part is empty.
    """
    order = hashed_order([patent for patent, paths in drawings.items() if len(paths) > 1], seed)
    test = set(order[: _share(len(order), test_fraction, spare=2)])
    rest = [patent for patent in order if patent not in test]
    val = set(rest[: _share(len(rest), val_fraction, spare=1)])
    parts = Parts({}, {}, {}, {}, {})
    for patent, paths in drawings.items():
        if patent not in test and patent not in val:
            parts.train[patent] = paths
            continue
        query, gallery = (parts.test_query, parts.test_db) if patent in test else (parts.val_query, parts.val_db)
        asked = query_names(paths, seed)
        query[patent] = [path for path in paths if path in asked]
        gallery[patent] = [path for path in paths if path not in asked]
    return parts


def _share(count: int, fraction: float, spare: int) -> int:
    """Return `fraction` of `count`, rounded: at least 1, and leaving at least `spare`."""
    return max(min(max(round(count * fraction), 1), count - spare), 0)
