"""Metrics of a benchmark against plain loops over whole rankings."""

import numpy as np
import pytest

from fastpatent.config import load_config
from fastpatent.data.records import Sample, Splits
from fastpatent.errors import DataError
from fastpatent.evaluation.benchmark import FIGURES, counts_of, front_pages, growth, growth_sizes, measure, read_distractors
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features
from fastpatent.registry import DATASETS

PATENTS, VIEWS, DIM = 12, 6, 16


@pytest.fixture
def splits():
    """Patents of six views, D00000 first: of some it is a query, of others in the gallery."""
    samples = [
        Sample(
            f"/data/I20200101/USD{patent:07d}-20200101/USD{patent:07d}-20200101-D{view:05d}.png", f"USD{patent:07d}-20200101"
        )
        for patent in range(PATENTS)
        for view in range(VIEWS)
    ]
    query = [sample for number, sample in enumerate(samples) if number % VIEWS in ((0, 3) if number % 4 else (2,))]
    return Splits("Test", [], query, [sample for sample in samples if sample not in query], "test")


@pytest.fixture
def features(splits):
    rng = np.random.default_rng(0)
    centres = {sample.identity: rng.standard_normal(DIM) for sample in splits.query}
    sides = [
        np.stack([centres[sample.identity] + 1.5 * rng.standard_normal(DIM) for sample in side]).astype(np.float32)
        for side in (splits.query, splits.gallery)
    ]
    return Features("net", *sides)


def ranked(features, splits, query, gallery):
    """Whether the drawing at each rank is relevant, of a gallery of rows."""
    asked, rows = features.query[query], features.gallery[gallery]
    cosine = rows @ asked / np.linalg.norm(rows, axis=1) / np.linalg.norm(asked)
    names = np.array([splits.gallery[row].identity for row in gallery])[np.argsort(-cosine)]
    return names == splits.query[query].identity


def by_loops(relevance, most):
    """The figures of one query."""
    places = np.flatnonzero(relevance) + 1

    def precision(depth, divisor):
        return sum((number + 1) / place for number, place in enumerate(places) if place <= depth) / divisor

    accuracy = {f"Acc@{k}": float(places[0] <= k) for k in (1, 5, 20)}
    return accuracy | {
        "mAP": precision(10**9, len(places)),
        "mAP@10": precision(10, min(10, len(places))),
        "mAP@max": precision(most, len(places)),
    }


def expected(features, splits, excluded):
    """Means of `by_loops` without the drawings of the query's own patent for which excluded(sample) is true."""
    relevances = []
    for query, asked in enumerate(splits.query):
        gallery = [
            row for row, sample in enumerate(splits.gallery) if sample.identity != asked.identity or not excluded(sample)
        ]
        relevances.append(ranked(features, splits, query, gallery))
    most = max(relevance.sum() for relevance in relevances)
    rows = [by_loops(relevance, most) for relevance in relevances if relevance.any()]
    return {name: np.mean([row[name] for row in rows]) for name in FIGURES}


def test_figures_meet_loops_with_and_without_the_front_page(features, splits):
    found = measure(rank_features(features, splits), "net.yml", 200, 0)
    assert (found.system, found.source, found.dim) == ("net", "net.yml", DIM)
    assert 0.2 < found.figures["mAP"].mean < 0.9
    assert front_pages(splits.gallery).sum() == counts_of(splits)["front pages"] > 0
    with_all = expected(features, splits, lambda sample: False)
    without = expected(features, splits, lambda sample: sample.path.endswith("D00000.png"))
    assert with_all["mAP"] != without["mAP"]
    for name in FIGURES:
        for figure, truth in ((found.figures[name], with_all[name]), (found.without_twin[name], without[name])):
            assert figure.mean == pytest.approx(truth, abs=1e-12)
            assert figure.low <= figure.mean <= figure.high


def test_a_query_whose_only_relevant_drawing_is_a_front_page_has_no_figure_without_it(splits, features):
    alone = [sample for sample in splits.gallery if sample.path.endswith("D00000.png")][0]
    gallery = [sample for sample in splits.gallery if sample.identity != alone.identity or sample == alone]
    rows = [splits.gallery.index(sample) for sample in gallery]
    small = Splits("Test", [], splits.query, gallery, "test")
    metrics = rank_features(features._replace(gallery=features.gallery[rows]), small).metrics
    assert metrics.matched.all()
    without = metrics.without(front_pages(gallery))
    assert [splits.query[row].identity for row in np.flatnonzero(~without.matched)] == [
        sample.identity for sample in splits.query if sample.identity == alone.identity
    ]


def test_growth_is_a_ranking_of_every_size(features, splits):
    added = np.random.default_rng(1).standard_normal((500, DIM)).astype(np.float32)
    sizes = growth_sizes(len(splits.gallery), len(added))
    assert sizes[0] == len(splits.gallery) and sizes[-1] == sizes[0] + 500 and sizes == sorted(set(sizes))
    found = growth(features, added, splits, sizes)
    for place, size in enumerate(sizes):
        others = [Sample(f"/other/{number}.png", None) for number in range(size - len(splits.gallery))]
        larger = Splits("Test", [], splits.query, splits.gallery + others, "test")
        gallery = np.concatenate([features.gallery, added[: len(others)]])
        summary = rank_features(features._replace(gallery=gallery), larger).summary
        for name in ("mAP", "Acc@1", "Acc@10"):
            assert found[name][place] == pytest.approx(summary[name], abs=1e-12)
    assert found["mAP"][0] > found["mAP"][-1]


@pytest.fixture
def distractors(register, splits):
    """A function that returns what two data sets add to the test set; they share drawings with it and with each other."""

    def drawing(name, identity="other"):
        return Sample(f"/data/{identity}/{name}.png", identity)

    leaked = splits.query[0].identity
    sets = {
        "A": Splits("A", [drawing("t1"), drawing("t2")], [drawing("q")], [drawing("g"), splits.gallery[0]]),
        "B": Splits("B", [drawing("t2"), drawing("t3"), drawing("more", leaked)], [], [drawing("v")]),
    }
    for name in sets:
        register(DATASETS, name, lambda cfg, name=name, **_: sets[name])
    words = ["DATASETS.ROOT", "/data", "BENCHMARK.DISTRACTORS"]
    return lambda names, seed=0: [
        sample.path.rsplit("/")[-1].split(".")[0]
        for sample in read_distractors(load_config(overrides=[*words, str(names), "SEED", str(seed)]), splits).gallery
    ]


def test_distractors_are_new_drawings_of_other_patents_validation_first(distractors):
    found = distractors(["A", "B"])
    assert sorted(found[:3]) == ["g", "q", "v"] and sorted(found[3:]) == ["t1", "t2", "t3"]
    assert distractors(["A", "B"]) == found and any(distractors(["A", "B"], seed) != found for seed in range(1, 5))
    with pytest.raises(DataError, match="BENCHMARK.DISTRACTORS.* add no drawing to Test"):
        distractors([])
