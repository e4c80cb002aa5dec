"""The metadata of all patents as one Parquet file, a row a patent."""

import datetime
from itertools import islice

import pyarrow
import pyarrow.parquet

from fastpatent.files import write_atomically

ROWS = 1000  # a row group, and what is in memory at once
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


def write_metadata(path, records):
    """Write the metadata of patents, whole or not at all.

    Args:
        path: of the Parquet file.
        records: iterable of (archive, member of it, record as of `convert_patent`).
    """
    rows = (_row(*record) for record in records)

    def write(temporary):
        with pyarrow.parquet.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            while group := list(islice(rows, ROWS)):
                writer.write_table(pyarrow.Table.from_pylist(group, SCHEMA))

    write_atomically(path, write)


def _row(archive, member, record):
    return {**record, "date": datetime.date.fromisoformat(record["date"]), "archive": archive, "member": member}
