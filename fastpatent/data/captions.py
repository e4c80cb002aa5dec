"""Texts and classes of samples, from a table with one row per identity."""

import os
from collections.abc import Collection, Mapping

from yacs.config import CfgNode

from fastpatent.data.impact.classes import design_class
from fastpatent.data.records import PARTS, Sample, Splits
from fastpatent.data.tables import MALFORMED, column_names, read_rows
from fastpatent.errors import ConfigError, DataError, nearest

NO_TEXT, TWICE = "without a text", "identity twice in the table"  # kinds of faults
KEY = "DATASETS.CAPTIONS"


def with_captions(splits: Splits, cfg: CfgNode) -> Splits:
    """Set the text and class of every sample from DATASETS.CAPTIONS.TABLE.FILE, by its identity; no change without a table.

    A text or class missing from the table stays as it was. Identities without a text are reported in `skipped`, as are
    malformed rows and repeated identities, of which the first row counts. Of a list in a Parquet file the first element is
    used, of a class of the patent office ("D28/47") the class without its subclass.

    Returns:
        `splits`, modified in place.

    Raises:
        ConfigError: the table lacks a column named by a key.
        DataError: the table cannot be read, or has no identity of `splits`.
    """
    table, root = cfg.DATASETS.CAPTIONS.TABLE, cfg.DATASETS.ROOT
    if not table.FILE:
        return splits
    path = os.path.join(root, table.FILE)
    columns = _columns(path, table)
    samples = [sample for part in PARTS for sample in getattr(splits, part)]
    identities = {sample.identity for sample in samples if sample.identity is not None}
    texts_of = _read_table(path, columns, identities, splits.skipped)
    if identities and not texts_of:
        raise DataError(
            f"{path}: its column {table.IDENTITY} has no identity of {splits.name}, such as {min(identities)}; "
            f"{KEY}.TABLE.IDENTITY names the column"
        )
    bare: set[str | None] = set()
    for part in PARTS:
        captioned = [_captioned(sample, *texts_of.get(sample.identity, (None, None))) for sample in getattr(splits, part)]
        bare.update(sample.identity for sample in captioned if not sample.caption)
        setattr(splits, part, captioned)
    if table.TEXT:
        cases = [f"{path}: no {table.TEXT} of {identity}" for identity in sorted(identities & bare)]
        splits.skipped.setdefault(NO_TEXT, []).extend(cases)
    return splits


def _columns(path: str, table: CfgNode) -> dict[str, str]:
    """Return {IDENTITY, TEXT, CLASS: column}; the last two only where they are set."""
    columns = {key: table[key] for key in ("IDENTITY", "TEXT", "CLASS") if table[key] or key == "IDENTITY"}
    names = column_names(path)
    for key, column in columns.items():
        if column not in names:
            raise ConfigError(f"{KEY}.TABLE.{key}: {path} has no column {column!r}{nearest(column, names)}")
    return columns


def _read_table(
    path: str, columns: Mapping[str, str], identities: Collection[str], skipped: dict[str, list[str]]
) -> dict[str, tuple[str | None, str | None]]:
    """Return {identity: (text, class)} of those identities that the table has; None where a cell is empty."""
    texts_of: dict[str, tuple[str | None, str | None]] = {}
    repeated: set[str] = set()  # each has one message, however many rows
    malformed, twice = skipped.setdefault(MALFORMED, []), skipped.setdefault(TWICE, [])
    for where, values in read_rows(path, list(columns.values()), malformed):
        row = {key: text.strip() or None for key, text in zip(columns, values)}
        identity = row["IDENTITY"]
        if identity in texts_of:
            if identity in repeated:
                continue
            repeated.add(identity)
            twice.append(f"{where}: {identity} was in an earlier row")
        elif identity is not None and identity in identities:
            category = row.get("CLASS")
            texts_of[identity] = row.get("TEXT"), category and (design_class(category) or category)
    return texts_of


def _captioned(sample: Sample, text: str | None, category: str | None) -> Sample:
    return sample._replace(caption=text or sample.caption, category=category or sample.category)
