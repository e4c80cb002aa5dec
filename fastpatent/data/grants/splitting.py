"""Which patents are trained on, validated with and tested on, and which drawings ask: the protocol of DeepPatent.

Kucer et al., WACV 2022, section 3: 15% of the patents are for the test, 15% of the others for validation, and of each of
these 1 or 2 drawings are withheld as queries. Their lists show the rule: one query of 2 or 3 drawings, two of 4 and more,
and no patent with a single drawing in either part.
"""

from dataclasses import dataclass

from fastpatent.data.datasets.drawings import hashed_order, query_names
from fastpatent.data.grants.patent import patent_folder


@dataclass
class Parts:
    """Drawings by part: dicts {patent: list of paths below the folder of all drawings}, in the order of dates."""

    train: dict
    val_query: dict
    val_db: dict
    test_query: dict
    test_db: dict


def distinct_drawings(drawings):
    """Leave out drawings that are byte for byte the same, of whichever patents: the first by date and name stays.

    Args:
        drawings: {patent: list of (name, digest)}.

    Returns:
        ({patent: list of paths}, in the order of dates, without patents of which nothing is left;
        list of (path left out, path of the one that stays)).
    """
    first, kept, equal = {}, {}, []
    for patent in sorted(drawings, key=patent_folder):
        for name, digest in sorted(drawings[patent]):
            path = f"{patent_folder(patent)}/{name}"
            if first.setdefault(digest, path) == path:
                kept.setdefault(patent, []).append(path)
            else:
                equal.append((path, first[digest]))
    return kept, equal


def split_patents(drawings, seed, test_fraction, val_fraction):
    """Split patents into parts.

    Place and queries of a patent depend on its name and the seed, and on the others' number only at the edge between two
    parts: a week that is added moves few. Patents with a single drawing are trained on, for they have nothing to be asked.

    Args:
        drawings: {patent: list of paths}.
        seed: chooses patents and queries.
        test_fraction: share of the patents that can be asked, in (0, 1).
        val_fraction: share of the others of them, in (0, 1).

    Returns:
        Parts. From three patents with two drawings on, no part is empty.
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


def _share(count, fraction, spare):
    """Return a part of `count`: at least 1, and at least `spare` are left."""
    return max(min(max(round(count * fraction), 1), count - spare), 0)
