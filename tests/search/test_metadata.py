"""Tables of metadata: which rows are of which drawing, and what is wrong with a table."""

import datetime

import pyarrow
import pyarrow.parquet
import pytest

from fastpatent.errors import DataError
from fastpatent.search.generation import Facts
from fastpatent.search.metadata import Metadata
from fastpatent.search.sources import Wanted

DAY = datetime.date(2018, 1, 31)


def table(folder, text):
    (folder / "t.csv").write_text(text)
    return Metadata(folder / "t.csv")


def wanted(folder, name, patent):
    return Wanted(f"{folder}/set/{name}", name, patent)


def test_rows_by_path_in_each_way_it_may_be_written(tmp_path):
    metadata = table(
        tmp_path,
        "path,title,class,locarno_class,date,view,patent\n"
        'set/a/1.png, Chair ,"D6/334; D 6 335",0601,2018-01-31,front,\n'  # below the table
        f"{tmp_path}/set/a/2.png,Chair,,06-01,20180131,,chairs\n"
        "./b/1.png,Lamp,,,,,\n",  # below the folder
    )
    assert metadata.facts(wanted(tmp_path, "a/1.png", "a")) == Facts(
        "a", "Chair", ("D6/334", "D 6 335"), "06-01", DAY, "front"
    )
    assert metadata.facts(wanted(tmp_path, "a/2.png", "a")) == Facts("chairs", "Chair", (), "06-01", DAY)
    assert metadata.facts(wanted(tmp_path, "b/1.png", "b")) == Facts("b", "Lamp")
    assert metadata.facts(wanted(tmp_path, "b/2.png", "b")) is None


def test_rows_by_patent_of_parquet_as_a_build_of_data_writes_it(tmp_path):
    rows = {"patent": ["USD1-20180131"], "title": ["Chair"], "date": [str(DAY)], "national_classes": [["D6/334", "D6/1"]]}
    pyarrow.parquet.write_table(pyarrow.table(rows | {"locarno_class": ["06-01"]}), tmp_path / "t.parquet")
    metadata = Metadata(tmp_path / "t.parquet")
    expected = Facts("I2018/USD1-20180131", "Chair", ("D6/334", "D6/1"), "06-01", DAY)
    assert metadata.facts(wanted(tmp_path, "x.png", "I2018/USD1-20180131")) == expected


def test_tables_of_impact(shared):
    metadata = Metadata(shared / "impact/sample.csv")
    found = metadata.facts(Wanted("/x.TIF", "x.TIF", "USD0938702-20211221"))
    assert found == Facts("USD0938702-20211221", "Shoe", ("D2",), "02-04", datetime.date(2021, 12, 21))


def test_unknown_columns_and_rows_are_named(tmp_path, caplog):
    metadata = table(tmp_path, "id,titel,price,date\nd1,Chair,9,\nd2,Lamp,8,\n")
    assert "columns that are not used: titel; did you mean title?, price" in caplog.text
    assert metadata.facts(wanted(tmp_path, "d1/1.png", "d1")) == Facts("d1")
    metadata.report_unused()
    assert "1 of 2 rows are of no drawing of the index: d2" in caplog.text


@pytest.mark.parametrize(
    "text, message",
    [
        ("name,title\na,b\n", "no column is called path or patent; it has name, title"),
        ("path,price\na,1\n", "beside path it has none of the columns patent, title"),
        ("path,title\na/1.png,x\n./a/1.png,y\n", r"t.csv:3: a second row for a/1.png, the first is .*t.csv:2"),
        ("patent,title\na,x\na,x\n", "a second row for a,"),
        ("path,date\na,2018-01-31\nb,31.1.2018\n", r"t.csv:3: the date '31.1.2018' is not written as 2018-01-31"),
        ("", "the first row is empty"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, text)


def test_rows_that_are_malformed_are_counted(tmp_path, caplog):
    metadata = table(tmp_path, "path,title,date\n,x,\na,b\nc,d,\n")
    assert "2 rows of metadata are skipped, first" in caplog.text
    assert metadata.facts(Wanted("/x/c", "c", "c")) == Facts("c", "d")
