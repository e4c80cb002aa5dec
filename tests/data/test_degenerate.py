"""Test sets whose figures say little."""

from fastpatent.data.degenerate import degeneracies
from fastpatent.data.records import Sample, Splits


def splits(query, gallery):
    """A data set of {path: identity}."""
    return Splits("toy", [], *([Sample(*pair) for pair in side.items()] for side in (query, gallery)))


def test_a_sound_set_has_no_warning():
    assert degeneracies(splits({"a1": "a", "b1": "b"}, {"a2": "a", "b2": "b"}), {"c", None}) == []
    assert degeneracies(splits({"a1": None}, {"a1": None})) == []  # nothing is measured without labels


def test_each_fault_has_its_sentence():
    for query, gallery, trained, sentence in (
        ({"a1": "a", "a2": "a"}, {"a3": "a"}, (), "all gallery images are of one identity (a), so every ranking is perfect"),
        ({"a1": "a"}, {"a2": "a", "b1": "b"}, (), "only one query is measured"),
        ({"a1": "a", "b1": "b"}, {"a1": "a", "b2": "b"}, (), "1 of 2 queries are in the gallery themselves"),
        (
            {"a1": "a", "b1": "b"},
            {"a2": "a", "b2": "b", "c1": "c"},
            ("b", "c", "d"),
            "2 of 3 identities are training identities",
        ),
        (
            {"a1": "a", "b1": "b", "c1": "c"},
            {"a2": "a", "b2": "b"},
            (),
            "1 of 3 queries have no image of their identity in the gallery, and no figure",
        ),
    ):
        (found,) = degeneracies(splits(query, gallery), trained)
        assert found.startswith(sentence)


def test_one_identity_among_unlabelled_images_can_be_missed():
    assert degeneracies(splits({"a1": "a", "a2": "a"}, {"a3": "a", "x": None})) == []
