"""The list files of a built data set: one `<path> <label>` per line, with DeepPatent's file names."""

import os
from pathlib import Path

from fastpatent.data.datasets.patent import TEST, VALIDATION
from fastpatent.files import Ledger
from fastpatent.uspto.extended import LIST as EXTENDED
from fastpatent.uspto.extended import extended_lines
from fastpatent.uspto.splitting import Parts

ALL_VALIDATION = "train_patent_val.txt"
NAMES = (*VALIDATION.values(), ALL_VALIDATION, *TEST.values(), EXTENDED)


def write_lists(folder: str | os.PathLike[str], parts: Parts, ledger: Ledger) -> dict[str, int]:
    """Write the lists of all `Parts` into a folder, and note them in a ledger.

    Labels count from 1 in every list; queries and gallery drawings of a patent have the same label.

    Returns:
        {file name of the list: number of drawings}.
    """
    folder = Path(folder)
    validation = {patent: [*parts.val_query[patent], *parts.val_db[patent]] for patent in parts.val_query}
    lists = {
        VALIDATION["train"]: parts.train,
        ALL_VALIDATION: validation,
        VALIDATION["query"]: parts.val_query,
        VALIDATION["gallery"]: parts.val_db,
        TEST["query"]: parts.test_query,
        TEST["gallery"]: parts.test_db,
    }
    sizes = {name: sum(map(len, drawings.values())) for name, drawings in lists.items()}
    for name, drawings in lists.items():
        _write(
            folder / name, [f"{path} {label}" for label, paths in enumerate(drawings.values(), 1) for path in paths], ledger
        )
    extended = extended_lines(folder)
    _write(folder / EXTENDED, extended, ledger)
    return {**sizes, EXTENDED: len(extended)}


def _write(path: Path, lines: list[str], ledger: Ledger) -> None:
    text = "".join(f"{line}\n" for line in lines)
    ledger.write(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))
