"""Values as people write them, against the type of the default."""

import math
import shlex

import pytest

from fastpatent.config.values import coerce, expand_paths

ACCEPTED = [
    (2, 1.0, 2.0),
    ("3.5e-4", 1.0, 3.5e-4),
    ("1e-4", 1.0, 1e-4),
    (math.inf, 2.0, math.inf),
    (64.0, 1, 64),
    ("64", 1, 64),
    (-1, 1, -1),
    (True, False, True),
    ("True", False, True),
    ("cpu", "cuda", "cpu"),
    ('"cuda:0"', "cuda", "cuda:0"),
    ("2024", "logs/", "2024"),
    ("50x", "", "50x"),
    ("runs/[a", "", "runs/[a"),
    (None, "x", ""),
    (None, [1], []),
    ('("Patent",)', ("Market1501",), ("Patent",)),
    (["Patent", "Sample"], ("Market1501",), ("Patent", "Sample")),
    ((40, 90), [30], [40, 90]),
    ("256,128", [1, 1], [256, 128]),
    ([1, "2e-1"], [0.16, 1.0], [1.0, 0.2]),
    (["backbone"], [], ["backbone"]),
    ((), [30], []),
]


REFUSED = [
    ("yes", False, "expects True or False, got the text 'yes'"),
    ("true", False, "expects True or False, got the text 'true'"),
    (1, False, "expects True or False, got the number 1"),
    (None, False, "expects True or False, got nothing"),
    (True, 1, "expects a whole number, got True"),
    (1.5, 1, "expects a whole number, got the number 1.5"),
    (math.inf, 1, "expects a whole number, got the number inf"),
    (math.nan, 1, "expects a whole number, got the number nan"),
    ("fast", 1.0, "expects a number, got the text 'fast'"),
    (False, 1.0, "expects a number, got False"),
    (None, 1, "expects a whole number, got nothing"),
    (50, "50x", "expects text, got the number 50"),
    ('("Adam",)', "Adam", "expects text, got the tuple ('Adam',)"),
    ("Patent", ("x",), "expects a list, got the text 'Patent'; write [Patent]"),
    ("a\nb", ("x",), "expects a list, got the text 'a\\nb'"),
    (256, [1, 1], "expects a list, got the number 256"),
    (["a"], [1, 1], "in its list expects a whole number, got the text 'a'"),
    ({"A": 1}, 1.0, "expects a number, got a section {'A': 1}"),
    ("(" * 5000, 1, "expects a whole number, got the text"),
]


def test_accepted():
    for written, default, expected in ACCEPTED:
        found = coerce(written, default)
        assert found == expected and type(found) is type(expected), (written, default)
        if isinstance(expected, (list, tuple)):
            assert [type(entry) for entry in found] == [type(entry) for entry in expected], (written, default)


def test_refused():
    for written, default, sentence in REFUSED:
        with pytest.raises(ValueError) as caught:
            coerce(written, default)
        assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value), (written, default)


def test_lists_of_yaml_on_the_command_line():
    for text, expected in (
        ("[DeepPatentTest]", ("DeepPatentTest",)),
        ("[Patent, Sample]", ("Patent", "Sample")),
        ("('Patent',)", ("Patent",)),
        ("[]", ()),
    ):
        assert coerce(text, ("Market1501",), command_line=True) == expected
    for text, meant in (("(Drawings,)", "[Drawings]"), ("[a", "[a]"), ("a,b", "'[a, b]'"), ("", "")):
        with pytest.raises(ValueError) as caught:
            coerce(text, ("Market1501",), command_line=True)
        assert str(caught.value).partition("; write ")[2] in (meant, f"'{meant}'")
    for text in ("Patent", "my own", "it's"):
        with pytest.raises(ValueError) as caught:
            coerce(text, ("Market1501",), command_line=True)
        suggestion = str(caught.value).partition("; write ")[2]
        (pasted,) = shlex.split(suggestion)  # one word of a shell
        assert coerce(pasted, ("Market1501",), command_line=True) == (text,)


def test_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.delenv("NOPE", raising=False)
    monkeypatch.chdir(tmp_path)
    for written, expected in (
        ("~/a", "/home/me/a"),
        ("$DATA/a", "/data/a"),
        ("${DATA}/a", "/data/a"),
        (["~/a", "b"], ["/home/me/a", "b"]),
        ("a~b", "a~b"),
        ("", ""),
        ([3], [3]),
    ):
        assert expand_paths(written) == expected
    with pytest.raises(ValueError, match="has the variable NOPE, which is not set, in '\\$NOPE/a'"):
        expand_paths("$NOPE/a")
    (tmp_path / "$NOPE").mkdir()
    assert expand_paths("$NOPE") == "$NOPE"  # a folder of this very name


def test_yaml_spelling_of_truth_on_the_command_line():
    assert coerce("true", False, command_line=True) is True and coerce("false", True, command_line=True) is False
