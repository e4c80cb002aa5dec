"""The list files of a built data set: one `<path> <label>` per line, with DeepPatent's file names."""

import os
from pathlib import Path

from fastpatent.data.datasets.patent import TEST, VALIDATION
from fastpatent.files import write_atomically
from fastpatent.uspto.extended import write_extended_list
from fastpatent.uspto.splitting import Parts

ALL_VALIDATION = "train_patent_val.txt"


def write_lists(folder: str | os.PathLike[str], parts: Parts) -> dict[str, int]:
    """Write the lists of all `Parts` into a folder.

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
    for name, drawings in lists.items():
        lines = [f"{path} {label}\n" for label, paths in enumerate(drawings.values(), 1) for path in paths]
        write_atomically(folder / name, lambda path: path.write_text("".join(lines), encoding="utf-8", newline="\n"))
    extended, count = write_extended_list(folder)
    sizes = {name: sum(map(len, drawings.values())) for name, drawings in lists.items()}
    return {**sizes, Path(extended).name: count}
