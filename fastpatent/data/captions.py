"""Texts and classes of drawings, from a table with one row an identity."""

import os

from fastpatent.data.impact.classes import design_class
from fastpatent.data.samples import PARTS
from fastpatent.data.tables import MALFORMED, column_names, read_rows
from fastpatent.errors import ConfigError, DataError, nearest

TEXTS = ("caption", "title", "description")
NO_TEXT, TWICE = "without a text", "identity twice in the table"  # kinds of what is left out
KEY = "DATASETS.CAPTIONS"


def text_kind(cfg):
    """Return DATASETS.CAPTIONS.TEXT; ConfigError where it is none of TEXTS."""
    kind = cfg.DATASETS.CAPTIONS.TEXT
    if kind not in TEXTS:
        raise ConfigError(f"{KEY}.TEXT: {kind!r} is no kind of text{nearest(kind, TEXTS)}")
    return kind


def with_captions(splits, cfg):
    """Give every sample the text and class of its identity in DATASETS.CAPTIONS.TABLE.FILE; as it is where none is named.

    What the table does not tell stays as it was. An identity left without a text is told in `left_out`, as are rows that are
    malformed or of an identity that an earlier row tells. Of a list in a Parquet file the first element counts, of a class
    of the office ("D28/47") the class without its subclass.

    Returns:
        `splits`, changed.

    Raises:
        ConfigError: the table has no column of the name that a key gives.
        DataError: the table cannot be read, or knows no identity of `splits`.
    """
    table, root = cfg.DATASETS.CAPTIONS.TABLE, cfg.DATASETS.ROOT
    if not table.FILE:
        return splits
    path = os.path.join(root, table.FILE)
    columns = _columns(path, table)
    samples = [sample for part in PARTS for sample in getattr(splits, part)]
    identities = {sample.identity for sample in samples} - {None}
    told = _read_table(path, columns, identities, splits.left_out)
    if identities and not told:
        raise DataError(
            f"{path}: its column {table.IDENTITY} has no identity of {splits.name}, such as {min(identities)}; "
            f"{KEY}.TABLE.IDENTITY names the column"
        )
    bare = set()
    for part in PARTS:
        captioned = [_captioned(sample, *told.get(sample.identity, (None, None))) for sample in getattr(splits, part)]
        bare.update(sample.identity for sample in captioned if not sample.caption)
        setattr(splits, part, captioned)
    if table.TEXT:
        cases = [f"{path}: no {table.TEXT} of {identity}" for identity in sorted(bare & identities)]
        splits.left_out.setdefault(NO_TEXT, []).extend(cases)
    return splits


def _columns(path, table):
    """Return {IDENTITY, TEXT and CLASS: column}, those of the last two that are named."""
    columns = {key: table[key] for key in ("IDENTITY", "TEXT", "CLASS") if table[key] or key == "IDENTITY"}
    names = column_names(path)
    for key, column in columns.items():
        if column not in names:
            raise ConfigError(f"{KEY}.TABLE.{key}: {path} has no column {column!r}{nearest(column, names)}")
    return columns


def _read_table(path, columns, identities, left_out):
    """Return {identity: (text, class)} of those identities that the table has; None for what it does not tell."""
    told, malformed, twice = {}, left_out.setdefault(MALFORMED, []), left_out.setdefault(TWICE, [])
    for where, values in read_rows(path, list(columns.values()), malformed):
        row = {key: _text(value) for key, value in zip(columns, values)}
        identity = row["IDENTITY"]
        if identity in told:
            twice.append(f"{where}: {identity} was in an earlier row")
        elif identity in identities:
            category = row.get("CLASS")
            told[identity] = row.get("TEXT"), category and (design_class(category) or category)
    return told


def _text(value):
    if isinstance(value, list):
        value = value[0] if value else None
    return None if value is None else str(value).strip() or None


def _captioned(sample, text, category):
    return sample._replace(caption=text or sample.caption, category=category or sample.category)
