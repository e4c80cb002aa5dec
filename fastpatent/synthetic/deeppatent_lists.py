"""Folders, file names and lists of the sample, in the layout of DeepPatent (Kucer et al., WACV 2022)."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

FIRST_NUMBER = 900001
FIRST_ISSUE = date(2019, 1, 1)
DESIGNS_PER_ISSUE = 24
TEST_SHARE = VALIDATION_SHARE = 0.15


def patent_folder(number: int) -> str:
    """`I20190101/USD0900001-20190101` for design 0; weekly issues, 24 designs each."""
    issue = f"{FIRST_ISSUE + timedelta(weeks=number // DESIGNS_PER_ISSUE):%Y%m%d}"
    return f"I{issue}/USD{FIRST_NUMBER + number:07d}-{issue}"


def drawing_path(number: int, drawing: int) -> str:
    """Path of a drawing below `patent_data`, with forward slashes."""
    folder = patent_folder(number)
    return f"{folder}/{folder.rpartition('/')[2]}-D{drawing:05d}.png"


def split(designs: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """Disjoint design numbers for training, validation and test, in random order.

    Args:
        designs: number of designs, at least 3.
        rng: numpy Generator.

    Returns:
        {split: list of int}: about 15 % test, 15 % of the rest validation, the rest train; none is empty.
    """
    order = rng.permutation(designs).tolist()
    test = max(1, round(TEST_SHARE * designs))
    validation = max(1, round(VALIDATION_SHARE * (designs - test)))
    return {"test": order[:test], "validation": order[test : test + validation], "train": order[test + validation :]}


def lists(drawings: Sequence[int], seed: int) -> dict[str, str]:
    """The six list files.

    Args:
        drawings: number of drawings of each design, at least 3 each.
        seed: seed of the split and of the choice of queries.

    Returns:
        {file name: text}: a line `path label` for each drawing; labels number the designs of a list from 1.
    """
    rng = np.random.default_rng([seed, len(drawings), 1])
    parts = split(len(drawings), rng)
    files = {
        "train_patent_trn.txt": [
            (label, number, drawing)
            for label, number in enumerate(parts["train"], 1)
            for drawing in rng.permutation(drawings[number])
        ]
    }
    for part, name in (("validation", "val"), ("test", "test")):
        query, gallery = [], []
        for label, number in enumerate(parts[part], 1):
            order = rng.permutation(drawings[number])
            withheld = int(rng.integers(1, 3))
            query += [(label, number, drawing) for drawing in order[:withheld]]
            gallery += [(label, number, drawing) for drawing in order[withheld:]]
        files[f"{name}_query_patent.txt"], files[f"{name}_db_patent.txt"] = query, gallery
    both = files["val_query_patent.txt"] + files["val_db_patent.txt"]
    files["train_patent_val.txt"] = sorted(both, key=lambda line: line[0])
    return {
        name: "".join(f"{drawing_path(number, drawing)} {label}\n" for label, number, drawing in lines)
        for name, lines in files.items()
    }
