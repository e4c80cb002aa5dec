"""Characters against the names of Unicode; entities of every kind, declared and used."""

import unicodedata

import pytest

from fastpatent.uspto.safe_xml import parse_xml
from fastpatent.uspto.skips import Reason, Refused

NAMES = {
    "ldquo": "LEFT DOUBLE QUOTATION MARK",
    "rsquo": "RIGHT SINGLE QUOTATION MARK",
    "mdash": "EM DASH",
    "deg": "DEGREE SIGN",
    "eacute": "LATIN SMALL LETTER E WITH ACUTE",
    "lsqb": "LEFT SQUARE BRACKET",
    "Prime": "DOUBLE PRIME",
    "frac12": "VULGAR FRACTION ONE HALF",
    "Scaron": "LATIN CAPITAL LETTER S WITH CARON",
    "reg": "REGISTERED SIGN",
    "sfgr": "GREEK SMALL LETTER FINAL SIGMA",
}
LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi omicron pi rho sigma tau upsilon phi chi psi"
)
LETTERS = dict(zip("a b g d e z ee th i k l m n x o p r s t u ph kh ps".split(), LETTERS.split())) | {"oh": "omega"}
for short, letter in LETTERS.items():
    NAMES |= {f"{short}gr": f"GREEK SMALL LETTER {letter}", f"{short.upper()}gr": f"GREEK CAPITAL LETTER {letter}"}


def parsed(text, declared=""):
    """(text of the root element, unparsed entities) of a file that names an external DTD."""
    root, unparsed = parse_xml(f'<!DOCTYPE x SYSTEM "x.dtd" [{declared}]><x>{text}</x>'.encode())
    return root.text, unparsed


def test_named_characters():
    for name, meaning in NAMES.items():
        assert parsed(f"a&{name};b")[0] == f"a{unicodedata.lookup(meaning)}b", name
    assert parsed("&lt;&#233;&unknown; &ldquo;") == ("<é&unknown; “", {})


def test_unparsed_entities_are_files():
    declared = (
        '<!NOTATION TIF SYSTEM "TIF"><!ENTITY d-1.TIF SYSTEM "1.tif" NDATA TIF><!ENTITY d-2 PUBLIC "p" "2.tif" NDATA TIF>'
    )
    assert parsed("&mdash;", declared) == ("\u2014", {"d-1.TIF": "1.tif", "d-2": "2.tif"})


UNPARSED = '<!ENTITY d SYSTEM "1.tif" NDATA TIF>'


@pytest.mark.parametrize(
    "text, declared, message",
    [
        ("&a;", UNPARSED + '<!ENTITY a "ha">', "forbidden declaration"),
        ("", '<!ENTITY a "ha">' + UNPARSED, "forbidden declaration"),
        ("&ldquo;", '<!ENTITY ldquo "ha">', "forbidden declaration"),
        ("&a;", UNPARSED + '<!ENTITY a SYSTEM "secret">', "forbidden declaration"),
        ("&a;", '<!ENTITY a PUBLIC "TIF" "secret">', "forbidden declaration"),
        ("", UNPARSED + '<!ENTITY % a SYSTEM "secret">%a;', "forbidden declaration"),
        ("", '<!ENTITY % a "ha">', "forbidden declaration"),
        ("&d;", UNPARSED, "not well-formed: reference to binary entity"),
    ],
)
def test_other_entities_are_refused(tmp_path, monkeypatch, text, declared, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(Refused, match=message) as caught:
        parsed(text, declared)
    assert caught.value.reason == Reason.XML


def test_what_follows_an_unread_parameter_entity_is_not_expanded():
    """There, declarations are not processed, so not refused."""
    assert parsed("&a;", '%missing; <!ENTITY a "ha">') == ("&a;", {})


def test_a_name_without_a_dtd_is_refused():
    with pytest.raises(Refused, match="not well-formed: undefined entity"):
        parse_xml(b"<x>&ldquo;</x>")
