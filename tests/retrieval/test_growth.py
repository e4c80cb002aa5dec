"""Ranks of a growing gallery against a separate ranking at each size."""

import numpy as np
import pytest

from fastpatent.retrieval import growth
from fastpatent.retrieval.growth import rank_growing
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.torch_kernel import TorchKernel


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
@pytest.mark.parametrize("rows, sizes", [(700, (700, 700, 703, 1024, 1025, 2000, 3700)), (1024, (1024, 4024)), (900, ())])
def test_every_size_gives_what_a_ranking_of_its_own_gives(few_values, rng, rows, sizes, kernel, monkeypatch):
    for metric in ["cosine", "euclidean", "normalized_euclidean"]:
        if kernel == "torch":
            monkeypatch.setattr(growth, "choose_kernel", TorchKernel)
        query, gallery, distractors = few_values(60, 12), few_values(rows, 12), few_values(3000, 12)
        identities = [[f"design{label}" for label in rng.integers(0, 40, count)] for count in (60, rows)]
        identities[0][7] = identities[1][5] = None
        found = rank_growing(query, gallery, distractors, identities, sizes, metric)
        assert len(found) == len(sizes), f"{metric=}"
        for size, metrics in zip(sizes, found):
            whole = np.concatenate([gallery, distractors[: size - rows]])
            expected = rank(query, whole, 0, (identities[0], identities[1] + [None] * (size - rows)), metric).metrics
            np.testing.assert_array_equal(metrics.ranks, expected.ranks, err_msg=f"{metric=}, {size=}")
            np.testing.assert_array_equal(metrics.relevant, expected.relevant, err_msg=f"{metric=}")


def test_sizes_outside_or_out_of_order_are_refused():
    for sizes in [(9,), (12, 11), (14,)]:
        ones = np.ones((10, 2))
        with pytest.raises(ValueError, match="ascend from 10 to 13"):
            rank_growing(ones[:1], ones, ones[:3], (["a"], ["a"] * 10), sizes)
