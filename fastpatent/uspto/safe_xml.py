"""XML of the patent office, read as untrusted input: nothing outside the file is read, and no entity is expanded.

Grants of 2001 to 2004 declare their drawings as unparsed entities, and name characters that only the external DTD declares.
"""

from html.entities import html5
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.ElementTree import XMLParser

from fastpatent.uspto.skips import Reason, Refused

XML_BYTES = 8 * 2**20  # real files have up to about 1 MiB; parsed elements may take fifty times the memory of their text
DEPTH = 100  # of elements inside each other; real files have 9
ELEMENTS = 100_000  # the fields of 30,000 citations; each takes a kilobyte
TEXT = 2**20  # characters between the tags; the longest of 50 real files has 37,000
GREEK = dict(zip("a b g d e z ee th i k l m n x o p r sf s t u ph kh ps oh".split(), "αβγδεζηθικλμνξοπρςστυφχψω"))


class _Characters(dict[str, str]):
    """{name: character} of the ISO entity sets; a name in none of them is left in the text as it stands."""

    def __missing__(self, name: str) -> str:
        return f"&{name};"


CHARACTERS = _Characters(  # HTML has all sets except ISOgrk1
    {name.rstrip(";"): text for name, text in html5.items()}
    | {f"{name}gr": letter for name, letter in GREEK.items()}
    | {f"{name.upper()}gr": letter.upper() for name, letter in GREEK.items()}
)


class _Tree(TreeBuilder):
    """Elements of bounded number, depth, text and names: a namespace of many characters is part of every name in it."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = self._names = self._text = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:  # type: ignore[override]
        self._depth += 1
        self._elements += 1
        self._names += len(tag) + sum(map(len, attrs))
        if self._depth > DEPTH:
            raise Refused(Reason.XML, f"the XML nests elements more than {DEPTH} deep")
        if self._elements > ELEMENTS:
            raise Refused(Reason.XML, f"the XML has more than {ELEMENTS:,} elements")
        if self._names > XML_BYTES:
            raise Refused(Reason.XML, f"the names in the XML have more than {XML_BYTES:,} characters")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(tag)

    def data(self, data: str) -> None:  # type: ignore[override]
        self._text += len(data)
        if self._text > TEXT:
            raise Refused(Reason.XML, f"the XML has more than {TEXT:,} characters of text")
        super().data(data)


class _Parser(XMLParser):
    """A parser that refuses all entities except characters and unparsed ones, and attributes that are declared.

    Attributes:
        unparsed: {name of an unparsed entity: the file it stands for}.
    """

    def __init__(self) -> None:
        super().__init__(target=_Tree())
        self.parser.AttlistDeclHandler = self._refuse_attributes
        self.entity = CHARACTERS  # where the parser looks up what the file itself does not declare
        self.unparsed: dict[str, str] = {}

    def defused_unparsed_entity_decl(self, name: str, base: Any, sysid: str, pubid: Any, notation_name: str) -> None:
        self.unparsed[name] = sysid

    def _refuse_attributes(self, *_: Any) -> None:
        """Every element may get declared attributes without having them, and expat compares each one with all others."""
        raise ValueError("ATTLIST")


def parse_xml(data: bytes) -> tuple[Element, dict[str, str]]:
    """Parse an XML file.

    Named characters of the ISO entity sets become their characters, if the file names an external DTD; an unknown name stays
    in the text. Nothing is expanded: a file that declares internal, parameter or external parsed entities, or attributes, is
    refused.

    Args:
        data: the file's bytes.

    Returns:
        (root element, {name of an unparsed entity: the file it stands for}).

    Raises:
        Refused: too large, of too many elements, nested too deep, not well-formed, or with a forbidden declaration.
    """
    if len(data) > XML_BYTES:
        raise Refused(Reason.XML, f"the XML has {len(data):,} bytes, more than {XML_BYTES:,}")
    try:
        parser = _Parser()
        parser.feed(data)
        return parser.close(), parser.unparsed
    except ParseError as error:
        raise Refused(Reason.XML, f"the XML is not well-formed: {error}") from error
    except (ValueError, LookupError) as error:  # refused by defusedxml, or an encoding unknown to expat
        raise Refused(Reason.XML, f"the XML has a forbidden declaration: {error}") from error
