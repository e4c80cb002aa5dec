"""Metadata: by hand, and against an independent reading of 50 real patents."""

import ast
import csv
import re

import pytest

from fastpatent.uspto import patent_xml
from fastpatent.uspto.patent_xml import read_patent_xml
from fastpatent.uspto.skips import Reason, Refused
from tests.uspto.weeks import name_of, xml

BEFORE_2005 = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE PATDOC SYSTEM "ST32-US-Grant-025xml.dtd">
<PATDOC DTD="2.5" STATUS="BUILD 20031217"><SDOBI>
<B100><B110><DNUM><PDAT>D0484665</PDAT></DNUM></B110><B130><PDAT>S1</PDAT></B130>
<B140><DATE><PDAT>20040106</PDAT></DATE></B140><B190><PDAT>US</PDAT></B190></B100>
<B500><B510><B511><PDAT>0101</PDAT></B511><B516><PDAT>7</PDAT></B516></B510>
<B520><B521><PDAT>D 1106</PDAT></B521><B522><PDAT> D1  1</PDAT></B522></B520>
<B540><STEXT><PDAT>Frozen  confection</PDAT></STEXT></B540>
<B560><B561><PCIT><DOC><DNUM><PDAT>D29748</PDAT></DNUM><KIND><PDAT>S</PDAT></KIND></DOC></PCIT></B561>
<B561><PCIT><DOC><DNUM><PDAT>123</PDAT></DNUM><CTRY><PDAT>JP</PDAT></CTRY></DOC></PCIT></B561></B560></B500></SDOBI>
<SDODE><DRWDESC><BTEXT><PARA><PTEXT><PDAT>FIG. 1 is a view.</PDAT></PTEXT></PARA></BTEXT></DRWDESC></SDODE>
<SDODR><EMI FILE="USD0484665-20040106-D00000.TIF"/></SDODR></PATDOC>"""


def test_a_patent_before_2005():
    record, drawings = read_patent_xml(BEFORE_2005, "USD0484665-20040106")
    assert record == {
        "patent": "USD0484665-20040106",
        "number": "D0484665",
        "kind": "S1",
        "date": "2004-01-06",
        "title": "Frozen confection",
        "national_classes": ["D1/106", "D1/1"],
        "locarno_edition": "7",
        "locarno_class": "01-01",
        "figure_descriptions": ["FIG. 1 is a view."],
        "cited_patents": [
            {"country": "US", "number": "D29748", "kind": "S"},
            {"country": "JP", "number": "123", "kind": ""},
        ],
    }
    assert drawings == ["USD0484665-20040106-D00000.TIF"]


def test_real_patents_are_read_as_the_impact_data_set_reads_them(shared):
    with open(shared / "impact/sample.csv", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    folders = sorted((shared / "impact/patents").iterdir())
    assert len(folders) == 50
    for folder in folders:
        data = (folder / f"{folder.name}.XML").read_bytes()
        record, drawings = read_patent_xml(data, folder.name)
        row = rows[record["number"]]
        assert (record["title"], record["date"].replace("-", "")) == (row["title"], row["date"])
        assert sorted(drawings) == sorted(path.name for path in folder.glob("*.TIF"))
        # theirs has at most two classes, and blanks around references to figures
        usual = [re.sub(r"[ /.]", "", name) for name in record["national_classes"]]
        assert usual[:2] == row["class"].replace(" ", "").split(",")
        assert record["locarno_class"].replace("-", "") == ast.literal_eval(row["class_search"])[0]
        text = data.decode()
        section = text.partition("<description-of-drawings>")[2].partition("</description-of-drawings>")[0]
        assert len(record["figure_descriptions"]) == section.count("<p ")
        # theirs end with the last figure, ours are the whole section, remarks on broken lines included
        ours, theirs = record["figure_descriptions"], ast.literal_eval(row["fig_desc"])
        assert ["".join(text.split()) for text in ours[: len(theirs)]] == ["".join(text.split()) for text in theirs]
        assert record["kind"] == "S1" and record["locarno_edition"] == "13"
        assert len(record["cited_patents"]) == text.count("<patcit ")
        assert [cited["number"] for cited in record["cited_patents"]] == re.findall(
            r"<patcit .*?<doc-number>(.*?)<", text, re.S
        )


def test_national_classes():
    for written, usual in [
        ("D 9726", "D9/726"),
        (" D9727", "D9/727"),
        ("D28  7", "D28/7"),
        (" D74012", "D7/401.2"),
        ("D14138 AD", "D14/138 AD"),
    ]:
        assert patent_xml._national_class(written) == usual, f"{written=}, {usual=}"


LAUGHS = '<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">'


def test_xml_of_no_design_is_refused():
    for data, message in [
        (b"", "the XML is not well-formed"),
        (xml(1)[:-5], "the XML is not well-formed"),
        (b"\xff\xfe\0", "the XML is not well-formed"),
        (b"<html><body/></html>", "the XML is a html, not a grant"),
        (b"<us-patent-grant/>", "the XML has no us-bibliographic-data-grant"),
        (b"<PATDOC/>", "the XML has no SDOBI"),
        (xml(1, declared=LAUGHS, title="&c;"), "has a forbidden declaration"),
        (xml(1, declared='<!ENTITY f SYSTEM "file:///etc/passwd">', title="&f;"), "has a forbidden declaration"),
        (xml(1, declared='<!ENTITY % f SYSTEM "http://localhost/x"> %f;'), "has a forbidden declaration"),
        (xml(2), "the XML is that of USD0000002-20210105"),
        (xml("1234567"), "the XML is that of US1234567-20210105"),
        (xml(1, date="20210112"), "the XML is that of USD0000001-20210112"),
        (xml(1, kind="B1"), "the XML states kind 'B1', a design has S"),
        (xml(1, kind="P2"), "the XML states kind 'P2', a design has S"),
        (xml(1).replace(b"UTF-8", b"no-such"), "the XML is not well-formed|has a forbidden declaration"),
        (xml(1, title="x" * 8 * 2**20), "more than 8,388,608"),
    ]:
        with pytest.raises(Refused, match=message) as caught:
            read_patent_xml(data, name_of(1))
        assert caught.value.reason == Reason.XML


def test_kinds_of_designs():
    for kind in ("S1", "S", "s1", "E1", "C1", ""):
        assert read_patent_xml(xml(1, kind=kind), name_of(1))[0]["kind"] == kind


def test_a_name_in_no_entity_set_stays_in_the_text():
    record, _ = read_patent_xml(xml(1, title="&ldquo;Pot&rdquo; &undeclared;"), name_of(1))
    assert record["title"] == "\u201cPot\u201d &undeclared;"


def test_drawings_are_named_by_entities_or_files():
    declared = b'[<!ENTITY first SYSTEM "USD0484665-20040106-D00000.TIF" NDATA TIF>]>'
    data = BEFORE_2005.replace(b'dtd">', b'dtd" ' + declared).replace(b"<EMI", b'<EMI FILE="first"/><EMI')
    assert read_patent_xml(data, "USD0484665-20040106")[1] == ["USD0484665-20040106-D00000.TIF"] * 2


def test_an_invalid_day_is_refused():
    with pytest.raises(Refused, match="the XML's date is invalid: 20210231"):
        read_patent_xml(xml(1, date="20210231"), "USD0000001-20210231")


def test_images_without_a_file_name_are_ignored():
    assert read_patent_xml(xml(1, sheets=["", "a.TIF"]), name_of(1))[1] == ["a.TIF"]


def test_numbers_without_leading_zeros_and_missing_elements():
    record, drawings = read_patent_xml(xml("D1", title=" A &amp;\n B&#xe9; "), name_of(1))
    assert (record["number"], record["title"]) == ("D0000001", "A & B\u00e9") and drawings == []
    assert record["national_classes"] == record["cited_patents"] == [] and record["locarno_class"] == ""
