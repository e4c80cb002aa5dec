from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpatent.search.facets import FACETS
from fastpatent.search.filters import apply_filter
from fastpatent.search.index import open_index
from fastpatent.search.server.facet_filter import join_filter, split_filter

VALUES = st.lists(st.text("D9 -'\"()", min_size=1).filter(lambda text: not {"'", '"'} <= {*text}), min_size=1, max_size=3)


RESTS = st.sampled_from(["", "date >= 2018", "(a = b) or (c = d)", "("])


@given(st.dictionaries(st.sampled_from(FACETS), VALUES), RESTS)
def test_what_is_written_is_read(chosen, rest):
    assert split_filter(join_filter(chosen, rest)) == (chosen, rest)


@pytest.mark.parametrize(
    "where",
    [
        "class = D6",
        'class in ("D6") or date in ("2018")',
        'class in ("D6") and (date >= 2018) or (date < 2016)',
        'class in ("D6") and date >= 2018',
        'class in ("D6") and ',
        'class in ("D6") and (a) or b)',
        'date in ("2018") and class in ("D6")',
        'class in ("D6") and class in ("D7")',
        "class in (D6)",
    ],
)
def test_what_a_person_has_written_stays_as_it_is(where):
    assert split_filter(where) == ({}, where)


def test_a_value_of_each_facet_and_the_rest_must_fit(index_folder):
    index = open_index(index_folder)
    rows = index.drawings.to_pylist()
    for classes, years, rest in product(
        (["D6"], ["D6", "D7"]), ([], ["2017", "2018"]), ("", "title ~ chair or title ~ lamp")
    ):
        expected = [
            row["classes"][0] in classes
            and (not years or str(row["date"].year) in years)
            and (not rest or {"chair", "lamp"} & {*row["title"].split()} != set())
            for row in rows
        ]
        assert any(expected)
        found = apply_filter(index, join_filter({"class": classes, "year": years}, rest)).passed
        np.testing.assert_array_equal(found, expected)
