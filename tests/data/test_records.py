"""Label maps, queries without a match, and what was skipped."""

from fastpatent.data.records import Sample, add_skipped, label_map, unmatched_queries


def test_labels_are_sorted_and_skip_the_unlabelled():
    samples = [Sample("3", "b"), Sample("1", "c"), Sample("2", None), Sample("0", "a"), Sample("4", "b")]
    assert label_map(samples) == {"a": 0, "b": 1, "c": 2}


def test_unmatched_queries():
    gallery = [Sample("g0", "a"), Sample("g1", "b"), Sample("g2", None)]
    query = [Sample("q0", "a"), Sample("q1", "z"), Sample("q2", None)]
    assert unmatched_queries(query, gallery) == [Sample("q1", "z")]


def test_what_was_skipped_is_joined_each_case_once():
    skipped = {"hidden": ["a", "b"]}
    add_skipped(skipped, {"hidden": ["b", "c"], "loose": ["d", "d"]})
    assert skipped == {"hidden": ["a", "b", "c"], "loose": ["d"]}
