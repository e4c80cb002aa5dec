"""The table of keys: every row is complete, no value of another type ends in a traceback, and keys can be added."""

import datetime
import math
import re

import pytest

from fastpatent.config import Key, add_key, get_cfg, load_config
from fastpatent.config.checks import key_complaint
from fastpatent.config.key import EVERY, NETWORK, NONE, Component, Rule, at_least
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves
from fastpatent.config.report import explain
from fastpatent.config.values import coerce
from fastpatent.errors import ConfigError

ODD = (
    None, True, 0, -1, 1.5, math.nan, math.inf, "", "x", "[1]", [], [[]], [None], [{}], ["x"], [1], [-1.0], {}, {"A": 1},
    (1, 2), b"x", datetime.date(2024, 1, 1),
)  # fmt: skip


def test_every_row_is_complete():
    assert [name for name, _ in sorted(leaves(get_cfg()))] == sorted(KEYS)
    for name, key in KEYS.items():
        assert key.name == name and re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)*", name), name
        assert key.meaning and key.meaning == key.meaning.strip() and not re.search(r"[\n|]|\.$", key.meaning), name
        assert type(key.default) in (bool, int, float, str, list, tuple), name
        assert key.rule is None or isinstance(key.rule, (Rule, Component)) and key.rule.words, name
        assert key.features in (EVERY, NETWORK, NONE), name
        assert not key.ignored or key.features == NONE and not key.rule and not key.ours, name


def test_every_default_satisfies_its_rule_but_the_data_set_of_fast_reid():
    broken = {name: key_complaint(name, key.default) for name, key in KEYS.items() if key_complaint(name, key.default)}
    assert set(broken) == {"DATASETS.NAMES", "DATASETS.TESTS"}
    assert all(sentence.startswith("no dataset is called 'Market1501'; choose from ") for sentence in broken.values())


def test_a_value_of_any_type_is_accepted_or_reported_in_one_sentence():
    for name, key in KEYS.items():
        for value in ODD:
            try:
                found = coerce(value, key.default)
            except ValueError as error:
                assert str(error).startswith(("expects ", "in its list ")), (name, value)
            else:
                assert type(found) is type(key.default), (name, value)
                assert key_complaint(name, found) == "" or key.rule, (name, value)


@pytest.fixture
def more_keys():
    """Remove the keys that a test adds."""
    before = dict(KEYS)
    yield
    KEYS.clear()
    KEYS.update(before)


def test_a_key_from_outside_the_package_is_like_any_other(more_keys, write, complaints):
    add_key(Key("MODEL.MINE.DEPTH", 3, "depth of a network that is not in the package", at_least(1), NETWORK, ours=True))
    assert get_cfg().MODEL.MINE.DEPTH == 3 and load_config(write("a.yml", "MODEL: {MINE: {DEPTH: 5}}")).MODEL.MINE.DEPTH == 5
    assert complaints(overrides=["MODEL.MINE.DEPTH", "0", "MODEL.MINE.DEPHT", "1"]) == [
        "command line: MODEL.MINE.DEPHT is no key; did you mean MODEL.MINE.DEPTH?",
        "command line: MODEL.MINE.DEPTH must be at least 1, got 0",
    ]
    assert "not in the package" in explain("MODEL.MINE")


def test_a_name_that_is_taken_cannot_be_added(more_keys):
    for name, there in (
        ("SEED", "SEED"),
        ("SEED.MINE", "SEED"),
        ("MODEL", "MODEL.DEVICE"),
        ("TEST.AQE", "TEST.AQE.ENABLED"),
    ):
        with pytest.raises(ValueError, match=f"the key {name} cannot be added, there is {there} already"):
            add_key(Key(name, 0, "mine"))
    add_key(Key("SEEDS", 0, "mine"))
    with pytest.raises(ConfigError, match="SEEDS expects a whole number"):
        load_config(overrides=["SEEDS", "x"])
