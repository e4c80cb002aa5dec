"""The metadata of a design patent from its XML file, in both forms that the office has used since 2001."""

import re
from datetime import date
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from fastpatent.data.grants.skips import Reason, Refused

XML_BYTES = 8 * 2**20  # the largest take about 1 MiB; elements need some fifty times the memory of their shortest text
NUMBER = re.compile(r"D0*(\d{1,7})", re.ASCII)


def read_patent_xml(data, patent):
    """Read the metadata of a design patent.

    Entities other than characters are refused, and nothing outside of the file is ever read.

    Args:
        data: the file's bytes.
        patent: whose it must be, as in USD0907292-20210105.

    Returns:
        (record, names of the drawings' files). The record is a dict of patent, number ("D0907292"), kind ("S1"), date (ISO),
        title, national_classes (main class first, as in "D28/47"), locarno_edition, locarno_class ("28-03"),
        figure_descriptions (all paragraphs on the drawings; remarks on broken lines come last) and cited_patents (list of
        dicts of country, number and kind). What the file does not tell is "" or an empty list.

    Raises:
        Refused: no well-formed XML, no grant, no design, or another patent.
    """
    if len(data) > XML_BYTES:
        raise Refused(Reason.XML, f"the XML has {len(data):,} bytes, more than {XML_BYTES:,}")
    try:
        root = fromstring(data)
    except ParseError as error:
        raise Refused(Reason.XML, f"no well-formed XML: {error}") from error
    except (ValueError, LookupError) as error:  # what defusedxml refuses, and encodings that expat does not know
        raise Refused(Reason.XML, f"the XML declares what is not allowed: {error}") from error
    readers = {"us-patent-grant": _read_grant, "PATDOC": _read_patdoc}
    if root.tag not in readers:
        raise Refused(Reason.XML, f"the XML is a {root.tag[:40]}, no grant")
    record = readers[root.tag](root)
    _check(record, patent)
    files = [*root.iterfind("drawings//img[@file]"), *root.iterfind("SDODR//EMI[@FILE]")]
    return {"patent": patent, **record}, [element.get("file") or element.get("FILE") for element in files]


def _read_grant(root):
    """Read a `us-patent-grant`, in use since 2005."""
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
            for cited in front.iterfind(".//patcit/document-id")
        ],
    }


def _read_patdoc(root):
    """Read a `PATDOC`, in use from 2001 to 2004: numbered tags of WIPO standard ST.32."""
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


def _check(record, patent):
    """Raise Refused where the metadata is not that of the design `patent`; write its date in ISO form."""
    number = NUMBER.fullmatch(record["number"])
    named = f"US{'D' + number[1].zfill(7) if number else record['number']}-{record['date']}"
    if named != patent:
        raise Refused(Reason.XML, f"the XML is that of {named[:40]}")
    if not record["kind"].startswith("S"):
        raise Refused(Reason.XML, f"the XML says kind {record['kind'][:10]!r}, a design has S")
    try:
        record["date"] = date.fromisoformat(record["date"]).isoformat()
    except ValueError as error:
        raise Refused(Reason.XML, f"the XML's date is none: {record['date']}") from error
    record["number"] = patent.removeprefix("US").partition("-")[0]


def _text(element, path):
    found = element.find(path)
    return "" if found is None else _joined(found)


def _joined(element, strip=True):
    """Return all text below an element; `strip` makes every run of white space one blank."""
    text = "".join(element.itertext())
    return " ".join(text.split()) if strip else text.strip("\n")


def _paragraphs(root, path):
    return [text for paragraph in root.iterfind(path) if (text := _joined(paragraph))]


def _national_class(text):
    """Write a class of the office's fixed columns as it is spoken of: "D 9726" D9/726, " D74012" D7/401.2, "D28  7" D28/7.

    The first three columns are the class, the next three the subclass, digits behind them its decimals.
    """
    subclass, more = text[3:6].strip(), text[6:].strip()
    decimals = f".{more}" if more.isdigit() else f" {more}" if more else ""
    return f"{text[:3].replace(' ', '')}/{subclass}{decimals}"


def _locarno_class(text):
    """Write "0901" as 09-01."""
    return f"{text[:2]}-{text[2:]}" if len(text) == 4 and text.isdigit() else text
