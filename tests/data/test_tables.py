"""Tables read row by row, against the csv module and pyarrow on whole files."""

import csv
import re

import pyarrow
import pyarrow.parquet
import pytest

from fastpatent.data.tables import column_names, read_rows
from fastpatent.errors import DataError

ROWS = [["a", "plain"], ["b", 'quoted, "twice"'], ["c", "two\nlines"], ["d", ""], ["e\té", "Ω"]]


def test_rows_of_a_csv_file(tmp_path):
    for delimiter in [",", "\t"]:
        for end in ["\n", "\r\n"]:
            for encoding in ["utf-8", "utf-8-sig"]:
                path = tmp_path / "table.csv"
                with open(path, "w", newline="", encoding=encoding) as file:
                    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows([["id", "text"], *ROWS])
                malformed = []
                found = list(read_rows(path, ["text", "id"], malformed))
                assert [values for _, values in found] == [[text, name] for name, text in ROWS] and malformed == [], (
                    f"{delimiter=}, {end=}, {encoding=}"
                )
                assert [where for where, _ in found] == [f"{path}:{line}" for line in (2, 3, 4, 6, 7)], (
                    f"{delimiter=}, {end=}, {encoding=}"
                )  # c takes two lines


def test_malformed_rows_are_named_and_the_others_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(f'id,text\n1,one\n2\n\n3,three,more\n4,{"x" * 200_000}\n5,five\n6,"no end\n')
    malformed = []
    assert [values for _, values in read_rows(path, ["id"], malformed)] == [["1"], ["5"], ["6"]]
    assert malformed[:2] == [
        f"{path}:3: 1 fields where the first row has 2",
        f"{path}:5: 3 fields where the first row has 2",
    ]
    assert len(malformed) == 3 and malformed[2].startswith(f"{path}:6: field larger than field limit")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    lines = [f"{number},text" for number in range(20_000)]  # beyond what is decoded at once
    lines[15_000] = "15000,caf\xe9"
    path.write_bytes("\n".join(["id,text", *lines]).encode("latin-1"))
    with pytest.raises(DataError, match=re.escape(f"{path}:15002: not UTF-8 text; save the table as UTF-8")):
        list(read_rows(path, ["id"], []))
    path.write_bytes("id,text\n1,one\n".encode("utf-16"))
    with pytest.raises(DataError, match=re.escape(f"{path}:1: not UTF-8 text")):
        column_names(path)


def test_tables_that_cannot_be_read_are_refused(tmp_path):
    for name in ["table.csv", "table.parquet"]:
        path = tmp_path / name
        with pytest.raises(DataError, match=f"{name}.*cannot be read.*[Nn]o such file"):
            column_names(path)
        path.write_bytes(b"")
        with pytest.raises(DataError, match=f"{name}: (the first row is empty|cannot be read as Parquet)"):
            list(read_rows(path, ["id"], []))
    (tmp_path / "long.csv").write_text("a" * 200_000 + "\n")
    with pytest.raises(DataError, match="long.csv:1: field larger than field limit"):
        column_names(tmp_path / "long.csv")


def test_a_missing_column_names_the_nearest(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("filepath, Caption\na.png,a\n")
    with pytest.raises(DataError, match="table.csv: no column is called captoin; did you mean Caption?"):
        list(read_rows(path, ["captoin"], []))


def test_rows_of_a_parquet_file(tmp_path):
    path = tmp_path / "table.parquet"
    numbers = [str(number) for number in range(2500)]
    table = pyarrow.table({"id": numbers, "lists": [[number] * (int(number) % 3) for number in numbers]})
    pyarrow.parquet.write_table(table, path)
    found = list(read_rows(path, ["lists", "id"], []))
    assert [values for _, values in found] == [["".join(row["lists"][:1]), row["id"]] for row in table.to_pylist()]
    assert found[2499][0] == f"{path}, row 2500"
    joined = [values for _, values in read_rows(path, ["lists", "id"], [], ";")]
    assert joined == [[";".join(row["lists"]), row["id"]] for row in table.to_pylist()]
    whole = path.read_bytes()
    for damaged in (whole[:2000], whole[:4] + b"\xff" * 40 + whole[44:]):  # of the second, Arrow's message has three lines
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="table.parquet: cannot be read as Parquet: [^\n]+$"):
            list(read_rows(path, ["id"], []))


TEXTS = [f"text {number % 700}" for number in range(2500)]
LISTS = [[text] * (place % 3) if place % 7 else None for place, text in enumerate(TEXTS)]
PAIRS = [[text, "last"] if place % 7 else None for place, text in enumerate(TEXTS)]
TEXT = pyarrow.string()
COLUMNS = {  # values, and options of the writer
    "plain": (pyarrow.array(TEXTS), dict(use_dictionary=False)),
    "lengths": (pyarrow.array(TEXTS), dict(use_dictionary=False, column_encoding="DELTA_LENGTH_BYTE_ARRAY")),
    "shared parts": (pyarrow.array(TEXTS), dict(use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")),
    "small dictionaries": (pyarrow.array(TEXTS), dict(dictionary_pagesize_limit=100, data_page_version="2.0")),
    "dictionary": (pyarrow.array(TEXTS).dictionary_encode(), {}),
    "large_string": (pyarrow.array(TEXTS, pyarrow.large_string()), {}),
    "string_view": (pyarrow.array(TEXTS, pyarrow.string_view()), {}),
    "long": (pyarrow.array(["日" * 70_000, "x" * 2**17]), {}),
    "no row": (pyarrow.array([], TEXT), {}),
    "list": (pyarrow.array(LISTS), {}),
    "list of dictionary": (pyarrow.array(LISTS, pyarrow.list_(pyarrow.dictionary("int32", TEXT))), {}),
    "list of string_view": (pyarrow.array(LISTS, pyarrow.list_(pyarrow.string_view())), {}),
    "large_list": (pyarrow.array(LISTS, pyarrow.large_list(TEXT)), {}),
    "lists of two": (pyarrow.array(PAIRS, pyarrow.list_(TEXT, 2)), {}),
    "integers": (pyarrow.array([1, None, -(2**63)]), {}),
    "floats": (pyarrow.array([1.5, None, float("nan")]), {}),
    "truth": (pyarrow.array([True, None, False]), {}),
    "nothing": (pyarrow.nulls(3), {}),
}


@pytest.mark.parametrize("values, options", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_parquet_files(values, options, tmp_path):
    path = tmp_path / "table.parquet"
    table = pyarrow.table({"t": values})
    with pyarrow.parquet.ParquetWriter(path, table.schema, **options) as file:
        for part in (table, table.slice(0, 0), table.slice(len(table) // 2)):  # an empty group between two
            file.write_table(part, 900)
    given = values.to_pylist() + values.slice(len(values) // 2).to_pylist()
    firsts = [next(iter(value), None) if isinstance(value, list) else value for value in given]
    expected = ["" if value is None else str(value) for value in firsts]
    assert [text for _, (text,) in read_rows(path, ["t"], [])] == expected
