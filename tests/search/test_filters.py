"""Filters: what passes them against plain Python, and what is wrong with one in a sentence."""

import datetime
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpatent.errors import DataError
from fastpatent.search.filters import apply_filter
from fastpatent.search.generation import Facts
from tests.small_index import write_index

TITLES = ("Tea kettle", "Kettle-lid", "CHAIR", "Élan chair", "kettles", "")
LOCARNO, CLASSES = ("09-01", "09-03", "06-01", ""), ("D9/500", "D6 334", "D9", "d7/322")
DATES = (None, *(datetime.date(*day) for day in ((2017, 12, 31), (2018, 1, 1), (2018, 2, 28), (2019, 6, 15))))
PATENTS = tuple(f"p{number}" for number in range(12))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """60 drawings of 12 patents with random facts, those of the same patent too."""
    generator = np.random.default_rng(0)

    def one(values):
        return values[generator.integers(len(values))]

    facts = [
        Facts(
            PATENTS[row // 5],
            one(TITLES),
            tuple(dict.fromkeys(one(CLASSES) for _ in range(generator.integers(3)))),
            one(LOCARNO),
            one(DATES),
            one(("front", "side")),
        )
        for row in range(60)
    ]
    return write_index(tmp_path_factory.mktemp("filters") / "i", np.eye(60), facts)


def rows(index):
    return index.drawings.to_pylist()


def below(value, wanted):
    value, wanted = value.lower(), wanted.lower()
    return value == wanted or bool(wanted) and value[: len(wanted) + 1] in (f"{wanted}-", f"{wanted}/")


DATE_TESTS = {
    "=": lambda day, value: day[: len(value)] == value,
    "<": lambda day, value: day[: len(value)] < value,
    "<=": lambda day, value: day[: len(value)] <= value,
    ">": lambda day, value: day[: len(value)] > value,
    ">=": lambda day, value: day[: len(value)] >= value,
}


def passes(row, tree):
    """Whether a row passes a filter: ("and", a, b), ("or", a, b), ("not", a), or (field, operator, values)."""
    if tree[0] in ("and", "or"):
        return (all if tree[0] == "and" else any)(passes(row, part) for part in tree[1:])
    if tree[0] == "not":
        return not passes(row, tree[1])
    field, operator, values = tree
    if operator == "!=":
        return not passes(row, (field, "=", values))
    if field == "date":
        operator = "=" if operator == "in" else operator
        return row["date"] is not None and any(DATE_TESTS[operator](row["date"].isoformat(), value) for value in values)
    if operator == "~" and field == "class":
        return any(found.lower().startswith(values[0].lower()) for found in row["classes"])
    if operator == "~":
        return set(re.split(r"\W+", values[0].lower())) <= set(re.split(r"\W+", row["title"].lower()))
    if field == "class":
        return any(below(found, value) for found in row["classes"] for value in values)
    if field == "locarno":
        return any(below(row["locarno"], value) for value in values)
    return row[field].lower() in [value.lower() for value in values]


def written(tree):
    """The text of a filter, with all brackets."""
    if tree[0] in ("and", "or"):
        return f"({f' {tree[0].upper()} '.join(map(written, tree[1:]))})"
    if tree[0] == "not":
        return f"not {written(tree[1])}"
    field, operator, values = tree
    quoted = [f"'{value}'" if re.search(r"[ -]", value) or not value else value for value in values]
    return f"{field} {operator} ({', '.join(quoted)})" if operator == "in" else f"{field}{operator}{quoted[0]}"


def leaves(field, operators, values, lists=True):
    single = st.tuples(st.just(field), st.sampled_from(operators), st.tuples(st.sampled_from(values)))
    several = st.tuples(st.just(field), st.just("in"), st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple))
    return single | several if lists else single


LEAVES = (
    leaves("class", ("=", "!="), ("D9", "D9/500", "d6 334", "D7", "D"))
    | leaves("class", ("~",), ("d9", "D", "D9/5", "9"), lists=False)
    | leaves("locarno", ("=", "!="), ("09", "09-01", "06-01", "0", ""))
    | leaves("date", tuple([*DATE_TESTS, "!="]), ("2018", "2018-02", "2018-02-28", "2017-12", "2019-06-15", "2020"))
    | leaves("title", ("=", "!="), ("chair", "Tea kettle", ""))
    | leaves("title", ("~",), ("kettle", "kettle tea", "ÉLAN", "chair chair", "lid"), lists=False)
    | leaves("patent", ("=", "!="), ("p3", "P11", "p", "p99"))
    | leaves("view", ("=", "!="), ("front", "top"))
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from(("and", "or")), inner, inner) | st.tuples(st.just("not"), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_what_passes_is_what_plain_python_finds(index, tree):
    passed = apply_filter(index, written(tree)).passed
    assert passed.dtype == bool and passed.tolist() == [passes(row, tree) for row in rows(index)]


@pytest.mark.parametrize(
    "text, tree",
    [
        (
            "locarno=09-01 and date>=2018 or view=side and not title~kettle",
            (
                "or",
                ("and", ("locarno", "=", ["09-01"]), ("date", ">=", ["2018"])),
                ("and", ("view", "=", ["side"]), ("not", ("title", "~", ["kettle"]))),
            ),
        ),
        ("LOCARNO in(0901,06.01)", ("locarno", "in", ["09-01", "06-01"])),
        ("not not(view = 'front')", ("view", "=", ["front"])),
        ("title = \"Tea  kettle\" and class!='D9'", ("and", ("title", "=", ["tea kettle"]), ("class", "!=", ["D9"]))),
    ],
)
def test_precedence_and_ways_to_write(index, text, tree):
    passed = apply_filter(index, text).passed
    assert passed.tolist() == [passes(row, tree) for row in rows(index)] and 0 < passed.sum() < 60


def test_no_filter_and_lists_in_files(index, tmp_path):
    assert apply_filter(index, " ").passed is None
    (tmp_path / "list.txt").write_bytes("\ufeffp3\r\n\r\n p11 \nunknown\n".encode())
    for name in (f"@{tmp_path}/list.txt", f'@"{tmp_path}/list.txt"'):
        passed = apply_filter(index, f"patent in {name}", files=True).passed
        assert {row["patent"] for row, one in zip(rows(index), passed) if one} == {"p3", "p11"}
        with pytest.raises(DataError, match="for the command line alone"):
            apply_filter(index, f"patent in {name}")


@pytest.mark.parametrize(
    "text, message",
    [
        ("datum>=2018", "a field 'datum', which no index has; did you mean date?"),
        ("title<a", "go on with one of = != ~ in after 'title', not '<'"),
        ("locarno", "go on with one of = != in after 'locarno', and it ends"),
        ("locarno=", "go on with a value after 'locarno =', and it ends"),
        ("date>=2018-13", "the date '2018-13'; write 2018, 2018-01 or 2018-01-31"),
        ("date>=2018-02-30", "the date '2018-02-30'"),
        ("date>=0000", "the date '0000'"),
        ("date=٢٠١٨", "the date"),
        ("view=front side", r"go on with and, or, or the end after 'view = front', not 'side'"),
        ("(view=front", "go on with and, or, or \\) after 'view = front', and it ends"),
        ("view=front)", "the end after 'view = front', not '\\)'"),
        ("patent in p1", "go on with \\( or @FILE after 'patent in', not 'p1'"),
        ("patent in (p1 p2)", "go on with , or \\)"),
        ("patent in ()", "go on with a value"),
        ("and", "a field 'and'"),
        ("= 3", r"go on with a field \(class, locarno, date, title, view, patent\), not or \(, not '='"),
        ('title~"tea', 'has a " at letter 7, which is not closed'),
        ("view!front", "has a ! at letter 5, which means nothing"),
        ("title~'!'", "there is no word in it"),
        ("view=\x1b[31m", "cannot be shown"),
        ("view=\udc80", "cannot be shown"),
        ("not " * 60 + "view=a", "more than 50 brackets or `not` within"),
        ("(" * 60, "more than 50 brackets"),
        ("view=a or " * 2000 + "view=b", "has 20,006 letters, it may have 10,000"),
        ("patent in @/no/such", "/no/such: this list of a filter cannot be read: No such file"),
        ("patent in @/dev/zero", "/dev/zero: this list of a filter cannot be read"),
        ("patent in @/dev/null", "cannot be read"),
    ],
)
def test_what_is_no_filter_is_one_sentence(index, text, message):
    with pytest.raises(DataError, match=message) as error:
        apply_filter(index, text, files=True)
    assert "\n" not in str(error.value)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["view", "date", "in", "not", "and", "(", ")", "=", ">=", "~", "2018", "a", "'b'", ",", "@"]))
)
def test_any_words_are_a_filter_or_a_sentence(index, words):
    try:
        passed = apply_filter(index, " ".join(words), files=True).passed
    except DataError:
        return
    assert passed is None if not words else passed.shape == (60,)


@pytest.mark.parametrize("field, text", [("date", "date>2018"), ("class", "class=D9"), ("title", "title~tea")])
def test_a_field_that_an_index_does_not_have(tmp_path, field, text):
    index = write_index(tmp_path / "i", np.eye(3), ["a", "b", "c"])
    with pytest.raises(DataError, match=f"knows no {field} of its drawings"):
        apply_filter(index, f"patent=a or {text}")
