"""A figure broken down by groups, against a mask for each group and SciPy's bootstrap."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from fastpatent.evaluation.analysis.group_figures import group_figures


def test_each_group_has_the_mean_of_its_queries_and_an_interval_over_patents():
    rng = np.random.default_rng(0)
    values = rng.random(120)
    values[::7] = np.nan
    views, sizes = [str(n % 3 + 9) for n in range(120)], ["few" if n < 9 else "more" for n in range(120)]
    found = group_figures(values, {"view": views, "size": sizes}, [f"p{n}" for n in range(120)])
    assert [(of.grouping, of.label) for of in found] == [
        ("view", "9"), ("view", "10"), ("view", "11"), ("size", "few"), ("size", "more"),
    ]  # fmt: skip
    for of in found:
        labels = np.array(views if of.grouping == "view" else sizes)
        own = values[(labels == of.label) & ~np.isnan(values)]
        assert of.queries == len(own) and of.figure.mean == pytest.approx(own.mean())
        if of.label == "few":  # than ten patents
            assert np.isnan(of.figure[1:]).all()
        else:
            ends = bootstrap((own,), np.mean, method="percentile", rng=rng).confidence_interval
            assert (of.figure.low, of.figure.high) == pytest.approx(tuple(ends), abs=0.02)


def test_a_group_without_a_value_is_left_out():
    assert group_figures(np.array([np.nan, 1.0]), {"view": ["1", "2"]}, ["a", "b"])[0].label == "2"
