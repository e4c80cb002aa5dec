"""The extended test database: drawings of all other lists are added as distractors (DeepPatent paper, figure 3)."""

import os
from pathlib import Path

from fastpatent.data.confinement import Confinement
from fastpatent.data.lists import listed_samples, read_lines
from fastpatent.files import write_atomically

LIST = "test_db_patent_extended.txt"
QUERY, DATABASE = "test_query_patent.txt", "test_db_patent.txt"
DISTRACTORS = {  # `train_patent_val.txt` is the union of the two others; a data set has it, or them, or all
    "validation": ("train_patent_val.txt", "val_query_patent.txt", "val_db_patent.txt"),
    "training": ("train_patent_trn.txt",),
}


def write_extended_list(folder: str | os.PathLike[str]) -> tuple[str, int]:
    """Write `test_db_patent_extended.txt` beside its source lists; an older one is replaced atomically.

    Args:
        folder: holds the list files.

    Returns:
        (path, number of drawings).

    Raises:
        DataError: see `extended_lines`.
    """
    path, lines = os.path.join(folder, LIST), extended_lines(folder)

    def write(temporary: Path) -> None:
        # names that are not UTF-8 as `read_lines` reads them
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape")

    write_atomically(path, write)
    return path, len(lines)


def extended_lines(folder: str | os.PathLike[str]) -> list[str]:
    """Return the extended list: the test database in its order, then validation, then training drawings, each once.

    Drawings of test patents outside the test database are skipped: they would be further matches, or the query itself, and
    not distractors. Labels count the patents from 1, those of the queries first and in their order, so each patent has the
    same label as in DeepPatent's own test lists.

    Args:
        folder: holds the list files; missing parts of DISTRACTORS add nothing.

    Returns:
        list of `<relative path> <label>`.

    Raises:
        DataError: a test list is missing, or a list cannot be read or is a link out of the folder.
    """
    queries = _listed(folder, QUERY)
    database = _listed(folder, DATABASE)
    tested = {*queries.values(), *database.values()}
    found = {path: identity for path, identity in database.items() if path not in queries}
    for name in (name for names in DISTRACTORS.values() for name in names if _is_there(folder, name)):
        found |= {path: identity for path, identity in _listed(folder, name).items() if identity not in tested}
    labels: dict[str | None, int] = {}
    for identity in (*queries.values(), *found.values()):
        labels.setdefault(identity, len(labels) + 1)
    return [f"{path} {labels[identity]}" for path, identity in found.items()]


def missing_parts(folder: str | os.PathLike[str]) -> list[str]:
    """Return those parts of DISTRACTORS that have no list in the folder."""
    return [part for part, names in DISTRACTORS.items() if not any(_is_there(folder, name) for name in names)]


def _is_there(folder: str | os.PathLike[str], name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))


def _listed(folder: str | os.PathLike[str], name: str) -> dict[str, str | None]:
    """Return {path as listed: identity}, in the list's order."""
    path = os.path.join(folder, name)
    Confinement(folder).check(path, "the folder", "put the file itself there")  # its lines would be copied
    lines = list(read_lines(path))
    samples = listed_samples(lines, path, folder, verify=False)
    return {relative: sample.identity for (_, relative), sample in zip(lines, samples)}
