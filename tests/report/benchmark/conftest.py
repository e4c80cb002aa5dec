"""A benchmark with random figures, and names that contain markup."""

import numpy as np
import pytest

from fastpatent.evaluation.benchmark import FIGURES, GROWTH_FIGURES, Benchmark, SystemResult
from fastpatent.evaluation.intervals import Figure
from fastpatent.evaluation.text_image import text_image_metrics

NAMES = ("plain_name", "<script>alert(1)</script>|`x`", "*a* _b_ [c](d) & $x^2$", "R50\nsecond line")
SIZES = [100, 1000, 5000]


@pytest.fixture
def benchmark():
    """Four systems, the last with NaN for every figure; the first three have growth."""
    rng = np.random.default_rng(0)

    def figures():
        means = rng.uniform(0.1, 0.9, len(FIGURES))
        return {name: Figure(mean, mean - 0.02, mean + 0.05) for name, mean in zip(FIGURES, means)}

    results = [SystemResult(name, f"logs/{name}", 24 * n, figures(), figures()) for n, name in enumerate(NAMES, 1)]
    for result in results[:3]:
        result.growth = {name: sorted(rng.uniform(0.1, 0.9, len(SIZES)), reverse=True) for name in GROWTH_FIGURES}
    results[3].figures = results[3].without_twin = dict.fromkeys(FIGURES, Figure(np.nan, np.nan, np.nan))
    counts = {"queries": 1234, "database": 4321, "patents": 567, "front pages": 89}
    published = [("PatentNet", "Kucer & al.", {"mAP": 0.376, "Acc@1": 0.6915, "Acc@20": 0.84})]
    return Benchmark("toy<&>", counts, results, published, SIZES, {"seed": 3, "command": "a | b"}, [("R7", "no weights")])


@pytest.fixture
def with_texts(benchmark):
    """The benchmark, of which one system has a text tower."""
    images, texts = np.random.default_rng(1).standard_normal((2, 12, 5)).astype(np.float32)
    found = text_image_metrics(images, texts, [f"patent{row // 2}" for row in range(12)], resamples=20)
    benchmark.texts = [(NAMES[0], found)]
    return benchmark
