"""Facets: patents for each value, counted by loops."""

import datetime

import numpy as np

from fastpatent.search.facets import facets
from fastpatent.search.filters import apply_filter
from fastpatent.search.generation import Facts
from tests.small_index import write_index


def test_counts_are_of_patents(tmp_path):
    generator = np.random.default_rng(0)
    facts = []
    for row in range(300):
        classes = tuple(generator.choice(["D6", "D9/500", "D14", "lamp"], generator.integers(0, 3), replace=False))
        date = datetime.date(int(generator.integers(2015, 2019)), 1, 31) if row % 5 else None
        facts.append(Facts(f"p{row // 4:02d}", "a b"[row % 3 :], classes, ["", "09-01", "26-05"][row // 8 % 3], date))
    index = write_index(tmp_path / "i", generator.standard_normal((300, 4)), facts)
    values = {
        "class": lambda each: each.classes,
        "locarno": lambda each: [each.locarno] if each.locarno else [],
        "year": lambda each: [str(each.date.year)] if each.date else [],
    }
    for where in ("", "date>=2017 and class=D9", "locarno=09-01", "title=a and title=b"):
        passed = apply_filter(index, where).passed
        found = facets(index, passed)
        for facet, of in values.items():
            patents = {}
            for row, each in enumerate(facts):
                if passed is None or passed[row]:
                    for value in of(each):
                        patents.setdefault(value, set()).add(each.patent)
            expected = sorted(((value, len(names)) for value, names in patents.items()), key=lambda one: (-one[1], one[0]))
            assert found[facet] == expected and found.keys() == values.keys()


def test_an_index_that_knows_nothing(tmp_path):
    index = write_index(tmp_path / "i", np.eye(3), ["a", "b", "c"])
    assert facets(index) == {"class": [], "locarno": [], "year": []}
