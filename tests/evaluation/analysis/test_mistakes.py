"""Confusions and suspected duplicates, against loops over every pair."""

import numpy as np
import pytest

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.analysis.mistakes import Confusion, confusions, duplicates
from fastpatent.evaluation.analysis.pair_scores import pair_scores
from fastpatent.evaluation.features import Features


def splits(query, gallery):
    sides = ([Sample(f"/{side}{n}", name) for n, name in enumerate(names)] for side, names in (("q", query), ("g", gallery)))
    return Splits("Set", [], *sides)


def test_an_identity_is_taken_for_another_where_its_images_stand_before_every_right_one():
    ranking = np.array([[2, 3, 0, 4], [2, 1, 3, 4], [0, 2, 1, 3], [5, 0, 1, 2], [4, 5, 3, 2]])
    found = confusions(ranking, splits(["a", "a", "b", "x", None], ["a", "a", "b", "b", "c", None]))
    assert found == [
        Confusion("a", "b", 2, 2, 3, True, 0, 2),
        Confusion("x", "a", 1, 1, 2, False, 3, 0),
        Confusion("b", "a", 1, 1, 1, True, 2, 0),
        Confusion("x", "b", 1, 1, 1, False, 3, 2),
    ]


def test_suspected_duplicates_score_above_every_right_pair_of_the_query():
    rng = np.random.default_rng(1)
    names = [[f"p{n}" if n else None for n in rng.integers(0, 8, count)] for count in (30, 60)]
    query, gallery = (np.float32(rng.normal(0, 1, (len(side), 4))) for side in names)
    data = splits(*names)
    scores = pair_scores(Features("x", query, gallery), names, 60)
    cosine = (query / np.linalg.norm(query, axis=1, keepdims=True)) @ (
        gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    ).T
    best, right = {}, []
    for q, one in enumerate(names[0]):
        own = [cosine[q, g] for g, other in enumerate(names[1]) if one is not None and other == one]
        right += own
        for g, other in enumerate(names[1]):
            if own and other not in (None, one) and cosine[q, g] > max(own):
                best.setdefault(frozenset((one, other)), []).append((cosine[q, g], q, g, max(own)))
    expected = sorted(((max(hits), len(hits)) for hits in best.values()), reverse=True)
    found = duplicates(scores, data)
    assert [(pair.query, pair.row, pair.pairs) for pair in found] == [(q, g, count) for (_, q, g, _), count in expected]
    for pair, ((score, _, _, own), _) in zip(found, expected):
        assert (pair.score, pair.right) == pytest.approx((score, own), abs=1e-5)
        assert pair.above == pytest.approx(np.mean(np.array(right) < score), abs=0.02)
