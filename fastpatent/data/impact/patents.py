"""The patents of IMPACT's CSV files: one row a patent, its lists written as Python literals."""

import ast
import os
import re
from typing import NamedTuple

from fastpatent.data.impact.classes import design_class
from fastpatent.data.tables import MALFORMED, column_names, read_rows
from fastpatent.errors import DataError

TEXT_COLUMNS = {"caption": "caption", "title": "title", "description": "fig_desc"}  # by DATASETS.CAPTIONS.TEXT
COLUMNS = ("file_names", "class", "title")  # read whatever the text
OF_IMPACT = {"file_names", "fig_desc", "class_search"}  # columns by which a CSV file is known
SHEET = re.compile(r"(US[A-Z]*\d+-\d{8})-[A-Z](\d{5})\.[A-Za-z]+", re.ASCII)
DRAWINGS = re.compile(r"(US[A-Z]*\d|I\d{8})", re.ASCII)  # begins the names of folders of one patent, or of one week
LONGEST = 60  # characters of a field that a message shows


class Patent(NamedTuple):
    """One row: where it is, its identity as in USD0937859-20211207, file names of its sheets, class, title, and the text.

    `text` is the field of the column that is asked for, unparsed; of `fig_desc` a Python list.
    """

    where: str
    identity: str
    sheets: list
    category: str | None
    title: str
    text: str


def impact_tables(root):
    """Return the CSV files of IMPACT in a folder and in the folders directly in it, sorted; those of other columns are not.

    Folders of one patent or of one week are not looked into.

    Raises:
        DataError: there is none, or a CSV file cannot be read.
    """
    try:
        below = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not DRAWINGS.match(entry.name))
    except OSError as error:
        raise DataError(f"{root}: {error.strerror} (DATASETS.ROOT)") from error
    folders = [root, *(os.path.join(root, name) for name in below if not name.startswith("."))]
    paths = [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder)) if _is_csv(name)]
    tables = [path for path in paths if OF_IMPACT & set(column_names(path))]
    if not tables:
        raise DataError(
            f"{root}: no CSV file with the columns of IMPACT ({', '.join((*COLUMNS, 'fig_desc', 'caption'))}) "
            "is here or in a folder directly below (DATASETS.ROOT)"
        )
    return tables


def read_patents(path, text, left_out):
    """Yield the `Patent`s of a CSV file; the sheets need not be there.

    Args:
        path: the file.
        text: caption, title or description.
        left_out: {kind of fault: list of sentences}, to which malformed rows are added.

    Raises:
        DataError: as `read_rows`.
    """
    malformed = left_out.setdefault(MALFORMED, [])
    for where, (names, classes, title, text_field) in read_rows(path, (*COLUMNS, TEXT_COLUMNS[text]), malformed):
        sheets = literal_texts(names)
        if not sheets:
            malformed.append(f"{where}: file_names is no list of file names: {names[:LONGEST]!r}")
            continue
        found = [SHEET.fullmatch(name) for name in sheets]
        identities = {sheet and sheet[1] for sheet in found}
        if len(identities) > 1 or None in identities:
            malformed.append(f"{where}: file_names are not the sheets of one patent: {names[:LONGEST]!r}")
            continue
        sheets = list(dict.fromkeys(sheets))
        yield Patent(where, found[0][1], sheets, design_class(classes), title.strip(), text_field.strip())


def literal_texts(field):
    """Return the texts of a list written as a Python literal, which is never run; None where it is none."""
    try:
        texts = ast.literal_eval(field)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that a literal may fail with
        return None
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None


def _is_csv(name):
    return name.lower().endswith(".csv") and not name.startswith(".")
