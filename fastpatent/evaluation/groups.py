"""What is known of a drawing beside its identity: view, category and identity size, by which figures are broken down."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.design_classes import TITLES

VIEW, CATEGORY, SIZE = "view", "category", "identity size"
UNKNOWN = "unknown"
DIGITS = re.compile(r"(\d{1,18})")  # Python reads no number of more than 4,300
NUMBER = re.compile(r"D?0*(\d+)", re.ASCII)  # the office's sheets are D00001, D00002 ...


def groups_of(splits: Splits) -> dict[str, list[str]]:
    """Return {name of a grouping: label of each query}, of the groupings that are known and have two labels or more.

    VIEW: what the name of a drawing has beside that of its folder: `3` of `L901/L901_3.png` and of a sheet ...-D00003.png,
    `front` of `chair/front.png`. Only a label that drawings of several folders share says anything; others are UNKNOWN, and
    where they are the majority, views are not known. CATEGORY: `Sample.category`, a class of the patent office with its
    title. SIZE: how many drawings of its identity the gallery holds, doubling from group to group.
    """
    found = {VIEW: _views(splits.query), CATEGORY: _categories(splits.query), SIZE: _sizes(splits)}
    return {name: labels for name, labels in found.items() if len(set(labels)) > 1}


def group_rows(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return {label: int64 rows that have it}, numbers in labels by their value, UNKNOWN last."""
    codes = {label: code for code, label in enumerate(sorted(set(labels), key=_place))}
    coded = np.array([codes[label] for label in labels], np.int64)
    return {label: np.flatnonzero(coded == code) for label, code in codes.items()}


def _place(label: str) -> tuple[bool, list[tuple[int, str]]]:
    return label == UNKNOWN, [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(label)]


def _views(samples: Sequence[Sample]) -> list[str]:
    labels = [_view(sample.path) for sample in samples]
    folders: dict[str, set[str]] = defaultdict(set)
    for label, sample in zip(labels, samples):
        folders[label].add(os.path.dirname(sample.path))
    labels = [label if len(folders[label]) > 1 else UNKNOWN for label in labels]
    return labels if 2 * labels.count(UNKNOWN) <= len(labels) else []


def _view(path: str) -> str:
    name = PurePath(path)
    rest = name.stem.removeprefix(name.parent.name).strip(" -_.") or name.stem
    number = NUMBER.fullmatch(rest)
    return number[1] if number else rest


def _categories(samples: Sequence[Sample]) -> list[str]:
    titled = {category: f"{category} {title}" for category, title in TITLES.items()}
    categories = [sample.category or UNKNOWN for sample in samples]
    return [titled.get(category, category) for category in categories]


def _sizes(splits: Splits) -> list[str]:
    counts = Counter(sample.identity for sample in splits.gallery)
    return [UNKNOWN if (name := sample.identity) is None else _doubling(counts[name]) for sample in splits.query]


def _doubling(count: int) -> str:
    """Return the range that holds a count: none, 1, 2, 3-4, 5-8, 9-16 ..."""
    if count < 3:
        return str(count or "none")
    upper = 1 << (count - 1).bit_length()
    return f"{upper // 2 + 1}-{upper}"
