"""The patents of IMPACT's CSV files: one row per patent, with lists written as Python literals."""

import ast
import os
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from fastpatent.data.impact.classes import design_class
from fastpatent.data.tables import MALFORMED, column_names, read_rows
from fastpatent.errors import DataError

TEXT_COLUMNS = {"caption": "caption", "title": "title", "description": "fig_desc"}  # by DATASETS.CAPTIONS.TEXT
COLUMNS = ("file_names", "class", "title")  # always read
OF_IMPACT = {"file_names", "fig_desc", "class_search"}  # a CSV file of IMPACT has one of these columns
SHEET = re.compile(r"(US[A-Z]*\d+-\d{8})-[A-Z](\d{5})\.[A-Za-z]+", re.ASCII)
DRAWINGS = re.compile(r"(US[A-Z]*\d|I\d{8})", re.ASCII)  # start of the folder names of one patent, or of one week
LONGEST = 60  # characters of a field in a message


class Patent(NamedTuple):
    """One row: file and line, identity as in USD0937859-20211207, file names of its sheets, class, title, and the text.

    `text` is the unparsed field of the requested column; for `fig_desc` a Python list.
    """

    where: str
    identity: str
    sheets: list[str]
    category: str | None
    title: str
    text: str


def impact_tables(root: str | os.PathLike[str]) -> list[str]:
    """Return the CSV files of IMPACT in a folder and its direct subfolders, sorted; files with other columns are ignored.

    Folders of one patent or of one week are not searched.

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


def read_patents(path: str | os.PathLike[str], text: str, skipped: dict[str, list[str]]) -> Iterator[Patent]:
    """Yield the `Patent`s of a CSV file; the sheets need not exist.

    Args:
        path: the file.
        text: caption, title or description.
        skipped: {kind of fault: list of messages}; malformed rows are added.

    Raises:
        DataError: as `read_rows`.
    """
    malformed = skipped.setdefault(MALFORMED, [])
    for where, (names, classes, title, text_field) in read_rows(path, (*COLUMNS, TEXT_COLUMNS[text]), malformed):
        sheets = literal_texts(names)
        if not sheets:
            malformed.append(f"{where}: file_names is not a list of file names: {names[:LONGEST]!r}")
            continue
        found = [SHEET.fullmatch(name) for name in sheets]
        identities = {sheet[1] for sheet in found if sheet}
        if len(identities) > 1 or None in found:
            malformed.append(f"{where}: file_names are not the sheets of one patent: {names[:LONGEST]!r}")
            continue
        sheets = list(dict.fromkeys(sheets))
        yield Patent(where, identities.pop(), sheets, design_class(classes), title.strip(), text_field.strip())


def literal_texts(field: str) -> list[str] | None:
    """Return the strings of a list written as a Python literal, which is never executed; None where it is not one."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of a backslash before a letter that it does not go with
            texts = ast.literal_eval(field)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all errors of literal_eval
        return None
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None


def _is_csv(name: str) -> bool:
    return name.lower().endswith(".csv") and not name.startswith(".")
