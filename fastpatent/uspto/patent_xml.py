"""The metadata of a design patent from its XML file, in both formats of the patent office since 2001."""

import re
from collections.abc import Iterator
from datetime import date
from typing import TypedDict
from xml.etree.ElementTree import Element

from fastpatent.uspto.safe_xml import parse_xml
from fastpatent.uspto.skips import Reason, Refused

NUMBER = re.compile(r"D0*(\d{1,7})", re.ASCII)


class CitedPatent(TypedDict):
    """A patent that another one cites."""

    country: str
    number: str
    kind: str


class Fields(TypedDict):
    """The metadata as stated in a file; "" or an empty list where it is absent.

    Attributes:
        number: as in "D0907292".
        kind: as in "S1".
        date: ISO.
        title: of the design.
        national_classes: main class first, as in "D28/47".
        locarno_edition, locarno_class: the latter as in "28-03".
        figure_descriptions: all paragraphs on the drawings; remarks on broken lines come last.
        cited_patents: in the file's order.
    """

    number: str
    kind: str
    date: str
    title: str
    national_classes: list[str]
    locarno_edition: str
    locarno_class: str
    figure_descriptions: list[str]
    cited_patents: list[CitedPatent]


class Metadata(Fields):
    """The metadata of a patent, and its identity as in USD0907292-20210105."""

    patent: str


def read_patent_xml(data: bytes, patent: str) -> tuple[Metadata, list[str]]:
    """Read the metadata of a design patent.

    Args:
        data: the file's bytes.
        patent: the expected patent, as in USD0907292-20210105.

    Returns:
        (metadata, file names of the drawings).

    Raises:
        Refused: see `parse_xml`; or not a grant, not a design, or another patent.
    """
    root, unparsed = parse_xml(data)
    readers = {"us-patent-grant": _read_grant, "PATDOC": _read_patdoc}
    if root.tag not in readers:
        raise Refused(Reason.XML, f"the XML is a {root.tag[:40]}, not a grant")
    record = readers[root.tag](root)
    _check(record, patent)
    drawings = [*root.iterfind("drawings//img[@file]"), *root.iterfind("SDODR//EMI[@FILE]")]
    named = [name for found in drawings if (name := found.get("file") or found.get("FILE"))]
    return {"patent": patent, **record}, [unparsed.get(name, name) for name in named]


def _read_grant(root: Element) -> Fields:
    """Read a `us-patent-grant`, the format since 2005."""
    front = root.find("us-bibliographic-data-grant")
    if front is None:
        raise Refused(Reason.XML, "the XML has no us-bibliographic-data-grant")
    publication, national = "publication-reference/document-id", "classification-national"
    classes = [*front.findall(f"{national}/main-classification"), *front.findall(f"{national}/further-classification")]
    return {
        "number": _text(front, f"{publication}/doc-number"),
        "kind": _text(front, f"{publication}/kind"),
        "date": _text(front, f"{publication}/date"),
        "title": _text(front, "invention-title"),
        "national_classes": [_national_class(_joined(found, strip=False)) for found in classes],
        "locarno_edition": _text(front, "classification-locarno/edition"),
        "locarno_class": _locarno_class(_text(front, "classification-locarno/main-classification")),
        "figure_descriptions": _paragraphs(root, "description/description-of-drawings//p"),
        "cited_patents": [
            {"country": _text(cited, "country"), "number": _text(cited, "doc-number"), "kind": _text(cited, "kind")}
            for cited in _outermost(front, ".//patcit/document-id")
        ],
    }


def _read_patdoc(root: Element) -> Fields:
    """Read a `PATDOC`, the format from 2001 to 2004: numbered tags of WIPO standard ST.32."""
    text = root.find("SDOBI")
    if text is None:
        raise Refused(Reason.XML, "the XML has no SDOBI")
    classes = [*text.findall("B500/B520/B521/PDAT"), *text.findall("B500/B520/B522/PDAT")]
    return {
        "number": _text(text, "B100/B110/DNUM/PDAT"),
        "kind": _text(text, "B100/B130/PDAT"),
        "date": _text(text, "B100/B140/DATE/PDAT"),
        "title": _text(text, "B500/B540"),
        "national_classes": [_national_class(_joined(found, strip=False)) for found in classes],
        "locarno_edition": _text(text, "B500/B510/B516/PDAT"),
        "locarno_class": _locarno_class(_text(text, "B500/B510/B511/PDAT")),
        "figure_descriptions": _paragraphs(root, "SDODE/DRWDESC//PARA"),
        "cited_patents": [
            {
                "country": _text(cited, "CTRY/PDAT") or "US",
                "number": _text(cited, "DNUM/PDAT"),
                "kind": _text(cited, "KIND/PDAT"),
            }
            for cited in text.iterfind("B500/B560/B561/PCIT/DOC")
        ],
    }


def _check(record: Fields, patent: str) -> None:
    """Raise Refused where the metadata is not that of the design `patent`; convert its date to ISO format."""
    number = NUMBER.fullmatch(record["number"])
    named = f"US{'D' + number[1].zfill(7) if number else record['number']}-{record['date']}"
    if named != patent:
        raise Refused(Reason.XML, f"the XML is that of {named[:40]}")
    if record["kind"].startswith(("A", "B", "H", "P")):  # of applications, inventions and plants; others vary by year
        raise Refused(Reason.XML, f"the XML states kind {record['kind'][:10]!r}, a design has S or E")
    try:
        record["date"] = date.fromisoformat(record["date"]).isoformat()
    except ValueError as error:
        raise Refused(Reason.XML, f"the XML's date is invalid: {record['date']}") from error
    record["number"] = patent.removeprefix("US").partition("-")[0]


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else _joined(found)


def _joined(element: Element, strip: bool = True) -> str:
    """Return all text below an element; `strip` replaces every run of white space by one blank."""
    text = "".join(element.itertext())
    return " ".join(text.split()) if strip else text.strip("\n")


def _paragraphs(root: Element, path: str) -> list[str]:
    return [text for paragraph in _outermost(root, path) if (text := _joined(paragraph))]


def _outermost(root: Element, path: str) -> Iterator[Element]:
    """Yield the elements at a path but those inside another one, whose text would be read once more."""
    inside: set[Element] = set()
    for element in root.iterfind(path):
        if element not in inside:
            inside.update(element.iter())
            yield element


def _national_class(text: str) -> str:
    """Format a class in the office's fixed columns as usual: "D 9726" D9/726, " D74012" D7/401.2, "D28  7" D28/7.

    The first three columns are the class, the next three the subclass, further digits its decimals.
    """
    subclass, more = text[3:6].strip(), text[6:].strip()
    decimals = f".{more}" if more.isdigit() else f" {more}" if more else ""
    return f"{text[:3].replace(' ', '')}/{subclass}{decimals}"


def _locarno_class(text: str) -> str:
    """Format "0901" as 09-01."""
    return f"{text[:2]}-{text[2:]}" if len(text) == 4 and text.isdigit() else text
