"""Queries in addresses: what is written is read back, and what is wrong is one sentence."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpatent.errors import DataError
from fastpatent.search.server.question import Asked, Question

ID = "0123456789abcdef" * 2
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip) | st.sampled_from(
    ["a;mirror", "a;crop=1,2,3,4", "a;", ";mirror;", "a;;", "a;crop=1,2,3,4;mirror"]
)
CROPS = st.none() | st.tuples(*[st.integers(0, 999_999)] * 4)
ASKED = st.builds(Asked, st.just("patent"), NAMES, st.none(), st.booleans()) | st.builds(
    Asked, st.sampled_from(["upload", "drawing"]), st.just(ID), CROPS, st.booleans()
)
WEIGHTS = st.integers(0, 10**8).map(lambda millionths: millionths / 10**6)
QUESTIONS = st.builds(
    Question,
    st.lists(ASKED, max_size=3).map(tuple),
    st.lists(ASKED, max_size=2).map(tuple),
    st.lists(NAMES, max_size=2).map(tuple),
    st.just("") | NAMES,
    st.integers(1, 500),
    st.integers(0, 100),
    st.booleans(),
    st.lists(NAMES, max_size=2).map(tuple),
    WEIGHTS,
    WEIGHTS,
)


@given(QUESTIONS)
def test_an_address_is_read_as_it_was_written(question):
    assert Question.of(question.params(), others=()) == question
    query = urlsplit(question.address("/record")).query
    assert Question.of_address(question.address("/record", view=1)) == question
    assert Question.of(parse_qsl(query, keep_blank_values=True)) == question


def test_how_it_is_written():
    question = Question(
        (Asked("upload", ID, (1, 2, 30, 40), True), Asked("patent", "p;1")), texts=("a kettle",), weight=0.25
    )
    assert (
        question.address()
        == f"/?drawing=upload%3A{ID}%3Bcrop%3D1%2C2%2C30%2C40%3Bmirror&drawing=patent%3Ap%3B1&text=a+kettle&weight=0.25"
    )
    assert Question().address("/record") == "/record"
    assert replace(question, views=(), texts=(), weight=0.5, own=True).address() == "/?own=1"
    assert Question.of([("k", ""), ("where", " "), ("text", "")]) == Question()  # as forms send what is not filled in
    assert str(Asked.of(f"drawing:{ID};mirror;crop=0,0,1,1")) == f"drawing:{ID};crop=0,0,1,1;mirror"


@pytest.mark.parametrize(
    "params, message",
    [
        ([("drawing", "x.png")], "'x.png' is no drawing: write upload:ID"),
        ([("drawing", "file:/etc/passwd")], "is no drawing: write upload:ID"),
        ([("drawing", "upload:../a")], "its name is no digest"),
        ([("drawing", f"upload:{ID};crop=1,2,3")], "its name is no digest"),
        ([("minus", "patent:")], "its name is no patent"),
        ([("minus", "patent:a;crop=1,2,3,4")], "cannot be cropped"),
        ([("drawing", "patent:a")] * 21, "drawing: there are more than 20"),
        ([("text", "a" * 1001)], "text: has 1,001 letters, it may have 1,000"),
        ([("where", "a" * 2001)], "where: has 2,001 letters"),
        ([("k", "0")], "k: is '0', not a number of 1 to 500"),
        ([("k", "٣")], "k: is '٣'"),
        ([("k", "1"), ("k", "2")], "k: is given twice"),
        ([("expand", "101")], "expand: is '101', not a number of 0 to 100"),
        ([("own", "yes")], "own: is 'yes', not 0 or 1"),
        ([("weight", "nan")], "weight: is 'nan'"),
        ([("minus_weight", "1e9")], "minus_weight: is '1e9'"),
        ([("wher", "a")], "there is no parameter 'wher'; did you mean where"),
    ],
)
def test_what_is_wrong_is_one_sentence(params, message):
    with pytest.raises(DataError, match=message):
        Question.of(params, others=())
