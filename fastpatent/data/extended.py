"""The extended test database: the drawings of all other lists join it as distractors (DeepPatent paper, figure 3)."""

import os

from fastpatent.data.lists import listed_samples, read_lines
from fastpatent.files import write_atomically

LIST = "test_db_patent_extended.txt"
QUERY, DATABASE = "test_query_patent.txt", "test_db_patent.txt"
DISTRACTORS = {  # `train_patent_val.txt` holds what the two others do; a data set has it, or them, or all
    "validation": ("train_patent_val.txt", "val_query_patent.txt", "val_db_patent.txt"),
    "training": ("train_patent_trn.txt",),
}


def write_extended_list(folder):
    """Write `test_db_patent_extended.txt` beside the lists it is made of, in place of an older one, whole or not at all.

    Args:
        folder: holds the list files.

    Returns:
        (path, number of drawings).

    Raises:
        DataError: see `extended_lines`.
    """
    path, lines = os.path.join(folder, LIST), extended_lines(folder)
    write_atomically(path, lambda temporary: temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8"))
    return path, len(lines)


def extended_lines(folder):
    """Put the extended list together: the test database in its order, then validation, then training drawings, each once.

    A drawing of a test patent that is not in the test database is left out: it would be one more answer, or the query
    itself, and no distractor. Labels count the patents from 1, those of the queries first and in their order, so that a
    patent has the label that it has in DeepPatent's own test lists.

    Args:
        folder: holds the list files; the parts of DISTRACTORS that are not there add nothing.

    Returns:
        list of `<relative path> <label>`.

    Raises:
        DataError: there is no test list, or a list cannot be read.
    """
    queries = _listed(folder, QUERY)
    database = _listed(folder, DATABASE)
    tested = {*queries.values(), *database.values()}
    found = {path: identity for path, identity in database.items() if path not in queries}
    for name in (name for names in DISTRACTORS.values() for name in names if _is_there(folder, name)):
        found |= {path: identity for path, identity in _listed(folder, name).items() if identity not in tested}
    labels = {}
    for identity in (*queries.values(), *found.values()):
        labels.setdefault(identity, len(labels) + 1)
    return [f"{path} {labels[identity]}" for path, identity in found.items()]


def missing_parts(folder):
    """Return those parts of DISTRACTORS of which the folder holds no list."""
    return [part for part, names in DISTRACTORS.items() if not any(_is_there(folder, name) for name in names)]


def _is_there(folder, name):
    return os.path.isfile(os.path.join(folder, name))


def _listed(folder, name):
    """Return {path as listed: identity} in the list's order."""
    path = os.path.join(folder, name)
    lines = read_lines(path)
    samples = listed_samples(lines, path, folder, verify=False)
    return {relative: sample.identity for (_, relative), sample in zip(lines, samples)}
