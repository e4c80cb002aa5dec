"""Classes of the office's classification, in fixed columns and in the usual form."""

import xml.etree.ElementTree as ElementTree

from fastpatent.data.impact.classes import design_class
from fastpatent.uspto.patent_xml import read_patent_xml


def test_design_class():
    for text, expected in [
        ("D 2728, D2840", "D2"),
        ("D14486,D14487", "D14"),
        ("D 5 32, D5 57", "D5"),
        ("D 75532", "D7"),  # D7/553.2
        ("D26 93,D26 94", "D26"),
        ("D99  1", "D99"),
        ("D28/47", "D28"),
        ("D2/728", "D2"),
        ("348143", None),
        ("D2840", None),  # of too few columns: D2/840 without its blank, or a cut D28
        ("Duck", None),
        ("", None),
    ]:
        assert design_class(text) == expected, f"{text=}, {expected=}"


def test_every_class_of_real_patents_is_read_as_the_build_reads_it(shared):
    """The main classes of 50 patents: up to the slash, the same result as `data build` from the fixed columns."""
    files = sorted((shared / "impact/patents").glob("*/*.XML"))
    for path in files:
        record, _ = read_patent_xml(path.read_bytes(), path.stem)
        raw = ElementTree.parse(path).find(".//classification-national/main-classification").text
        usual = record["national_classes"][0]
        assert design_class(raw) == design_class(usual) == usual.partition("/")[0]
    assert len(files) == 50
