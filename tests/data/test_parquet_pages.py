"""Pages of Parquet files against the sums in their footers, as pyarrow reads them."""

import pyarrow
import pytest
from pyarrow import parquet

from fastpatent.data.parquet_pages import pages
from fastpatent.data.tables import read_rows

TEXTS = [f"text {number % 700}" for number in range(5000)]
TABLE = pyarrow.table({"t": TEXTS, "n": range(5000), "l": [[text] * (place % 3) for place, text in enumerate(TEXTS)]})


@pytest.mark.parametrize(
    "options",
    [
        dict(compression="zstd"),
        dict(data_page_version="2.0", row_group_size=900, compression="none"),
        dict(use_dictionary=False, column_encoding={"t": "DELTA_LENGTH_BYTE_ARRAY", "n": "DELTA_BINARY_PACKED"}),
        dict(dictionary_pagesize_limit=100, data_page_size=1000, write_page_index=True, write_page_checksum=True),
    ],
)
def test_pages_add_up_to_their_columns(options, tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(TABLE, path, **options)
    footer = parquet.read_metadata(path)
    for place in range(3):
        chunks = [footer.row_group(group).column(place) for group in range(footer.num_row_groups)]
        with open(path, "rb") as file:
            found = list(pages(file, [place]))
        assert sum(page.values for page in found) == sum(chunk.num_values for chunk in chunks)
        assert sum(page.unpacked - page.stored for page in found) == sum(
            chunk.total_uncompressed_size - chunk.total_compressed_size for chunk in chunks
        )
        assert len(found) >= len(chunks)
    if "compression" in options:
        rows = [values for _, values in read_rows(path, ["t", "n", "l"], [])]
        assert rows == [[text, str(place), text if place % 3 else ""] for place, text in enumerate(TEXTS)]


def test_damaged_files_are_an_error(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(TABLE.slice(0, 50), path)
    whole = path.read_bytes()
    for damaged in (
        whole[:-1] + b"E",
        whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        whole[:-8] + bytes(4) + b"PAR1",
        b"\x1c" * 10**5 + (10**5).to_bytes(4, "little") + b"PAR1",  # structures within structures
        b"\x19\xff" + b"\xff" * 100 + (102).to_bytes(4, "little") + b"PAR1",  # a list of how many
        b"\x19\xf1\xff\xff\xff\xff\x0f" + (7).to_bytes(4, "little") + b"PAR1",
    ):
        path.write_bytes(damaged)
        with open(path, "rb") as file, pytest.raises(ValueError, match="damaged|too deep"):
            list(pages(file, [0]))
