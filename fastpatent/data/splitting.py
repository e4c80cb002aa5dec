"""Which identities are held out, and which of their images are queries: by their names and a seed alone."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized

from fastpatent.data.records import Sample, Splits

MANY = 4  # identities of at least this many drawings give two queries instead of one


def add_validation(splits: Splits, samples: Sequence[Sample], names: Sequence[str], seed: int) -> None:
    """Add the samples of one validation identity to queries and gallery; `names` determine the choice of queries."""
    asked = query_names(set(names), seed)
    for sample, name in zip(samples, names):
        (splits.query if name in asked else splits.gallery).append(sample)


def validation_identities(drawings: Mapping[str, Sized], val_fraction: float, seed: int) -> set[str]:
    """Return the identities of {identity: its samples} that are held out for validation."""
    order = hashed_order(drawings, seed)
    count = min(max(round(len(order) * val_fraction), 1), len(order) - 1)
    chosen = order[:count]
    askable = [identity for identity in order if len(drawings[identity]) > 1]
    if askable and not set(askable) & set(chosen):
        chosen[-1] = askable[0]  # else there would be no query
    return set(chosen)


def query_names(names: Collection[str], seed: int) -> Sequence[str]:
    """Return the queries of an identity, as in DeepPatent: one of 2 or 3 samples, two of 4 or more, none of a single one."""
    if len(names) < 2:
        return ()
    return hashed_order(names, seed)[: 2 if len(names) >= MANY else 1]


def hashed_order(names: Iterable[str], seed: int) -> list[str]:
    """Return names in a random order; the sort key of each name depends on the name and the seed alone."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest())
