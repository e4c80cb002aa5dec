"""The metadata of all patents as one Parquet file, one row per patent."""

import datetime
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet

from fastpatent.errors import DataError
from fastpatent.files import Ledger
from fastpatent.uspto.patent import Record

ROWS = 1000  # per row group, and in memory at once
TEXT, TEXTS = pyarrow.string(), pyarrow.list_(pyarrow.string())
CITED = pyarrow.struct({"country": TEXT, "number": TEXT, "kind": TEXT})
DRAWING = pyarrow.struct({"name": TEXT, "width": pyarrow.int32(), "height": pyarrow.int32()})
SCHEMA = pyarrow.schema(
    {
        "patent": TEXT,
        "number": TEXT,
        "kind": TEXT,
        "date": pyarrow.date32(),
        "title": TEXT,
        "national_classes": TEXTS,
        "locarno_edition": TEXT,
        "locarno_class": TEXT,
        "figure_descriptions": TEXTS,
        "cited_patents": pyarrow.list_(CITED),
        "drawings": pyarrow.list_(DRAWING),
        "archive": TEXT,
        "member": TEXT,
    }
)


def write_metadata(path: str | os.PathLike[str], records: Iterable[tuple[str, str, Record]], ledger: Ledger) -> None:
    """Write the metadata of patents atomically.

    Args:
        path: of the Parquet file.
        records: (archive, its member, record as of `convert_patent`) per patent.
        ledger: notes the file.

    Raises:
        DataError: a record has a value of another type, as in a journal from elsewhere.
    """
    remaining = iter(records)

    def write(temporary: Path) -> None:
        # pyarrow opens no path that is not UTF-8
        with open(temporary, "wb") as file, pyarrow.parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            while group := list(islice(remaining, ROWS)):
                writer.write_table(_table(group))

    ledger.write(Path(path), write)


def _table(group: Sequence[tuple[str, str, Record]]) -> pyarrow.Table:
    try:
        return pyarrow.Table.from_pylist([_row(*record) for record in group], SCHEMA)
    except (pyarrow.ArrowException, ValueError, TypeError, KeyError, OverflowError) as error:
        for alone in group if len(group) > 1 else ():
            _table([alone])  # raises for the one at fault
        archive, member, _ = group[0]
        raise DataError(
            f"{archive}: its journal has a record of {member} that no build wrote; make the journal an empty file and name "
            "the archive again"
        ) from error


def _row(archive: str, member: str, record: Record) -> dict[str, object]:
    return {**record, "date": datetime.date.fromisoformat(record["date"]), "archive": archive, "member": member}
