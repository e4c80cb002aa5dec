"""The metadata of all patents as one Parquet file, one row per patent."""

import datetime
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet

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
    """
    rows = (_row(*record) for record in records)

    def write(temporary: Path) -> None:
        with pyarrow.parquet.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            while group := list(islice(rows, ROWS)):
                writer.write_table(pyarrow.Table.from_pylist(group, SCHEMA))

    ledger.write(Path(path), write)


def _row(archive: str, member: str, record: Record) -> dict[str, object]:
    return {**record, "date": datetime.date.fromisoformat(record["date"]), "archive": archive, "member": member}
