"""Pictures and pages of queries with their results."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.report.gallery import FRAMES, best_and_worst, choose_queries, gallery_picture, write_gallery


@pytest.fixture
def evaluation(tmp_path):
    """Three queries over six drawings; the last query is the only one whose relevant drawings do not come first."""

    def drawing(name, identity):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.where(np.eye(40, 30) > 0, 0, 255).astype(np.uint8)).save(path)
        return Sample(str(path), identity)

    query = [drawing(f"q{i}", f"patent{i}") for i in range(3)]
    gallery = [drawing(f"g{i}<&>", f"patent{i // 2}") for i in range(6)]
    places = np.array([0, 10, 0, 0, 1, 10, 11, 20, 21]) + 1.0
    features = np.stack([np.cos(places / 20), np.sin(places / 20)], axis=1)
    return rank_features(Features("toy", *np.split(features, [3])), Splits("toy", [], query, gallery))


def test_queries_are_shown_from_the_best_to_the_worst(evaluation):
    chosen = choose_queries(evaluation, 3)
    precision = evaluation.metrics.average_precision[chosen]
    assert (np.diff(precision) <= 0).all() and chosen[-1] == 2
    assert len(choose_queries(evaluation, 2)) == 2


def test_the_best_and_the_worst_are_of_different_patents_with_most_relevant_drawings():
    rng = np.random.default_rng(0)
    patents = [f"patent{n}" for n in rng.integers(0, 12, 40)]
    metrics = SimpleNamespace(
        matched=rng.random(40) < 0.8,
        average_precision=rng.choice([0.1, 0.5, 1.0], 40),
        relevant=rng.integers(1, 5, 40),
    )
    splits = Splits("toy", [], [Sample(f"{n}.png", patent) for n, patent in enumerate(patents)], [])
    best, worst = best_and_worst(SimpleNamespace(metrics=metrics, splits=splits), 5)
    keys = list(zip(metrics.average_precision, metrics.relevant))
    for chosen, sign in ((best, -1), (worst, 1)):
        assert len({patents[row] for row in chosen}) == len(chosen) == 5 and metrics.matched[chosen].all()
        order = [(sign * keys[row][0], -keys[row][1]) for row in chosen]
        assert order == sorted(order)
        taken = {patents[row] for row in chosen}
        others = [
            row for row in np.flatnonzero(metrics.matched) if patents[row] not in taken and (sign < 0 or row not in best)
        ]
        assert all((sign * keys[row][0], -keys[row][1]) >= order[-1] for row in others)
    assert not set(best) & set(worst)
    again = best_and_worst(SimpleNamespace(metrics=metrics, splits=splits), 5)
    assert [rows.tolist() for rows in again] == [best.tolist(), worst.tolist()]


def test_frames_distinguish_correct_results_from_wrong_ones(evaluation):
    picture = gallery_picture(evaluation, [0], found=3, size=32)
    colours = {tuple(pixel) for row in picture for pixel in row}
    assert {FRAMES["query"], FRAMES["right"], FRAMES["wrong"]} <= colours
    unlabelled = Splits("toy", [], [s._replace(identity=None) for s in evaluation.splits.query], evaluation.splits.gallery)
    grey = gallery_picture(Evaluation("toy", unlabelled, evaluation.ranking, None), [0], found=3, size=32)
    assert FRAMES["unknown"] in {tuple(pixel) for row in grey for pixel in row}


def test_a_missed_drawing_follows_where_no_result_is_correct(evaluation):
    def blue(picture):
        return (picture == FRAMES["missed"]).all(axis=2)

    hit, missed = (gallery_picture(evaluation, [query], found=2, size=32) for query in (0, 2))
    assert not blue(hit).any() and blue(missed).any()
    assert np.nonzero(blue(missed))[1].min() >= hit.shape[1] - 12  # in a column of its own
    assert gallery_picture(evaluation, [0, 2, 1], found=2, size=32).shape[0] > 2 * missed.shape[0]


def test_the_page_holds_everything_it_shows(evaluation, tmp_path):
    picture, page = write_gallery(evaluation, tmp_path / "gallery_toy", found=4)
    text = page.read_text()
    sources = re.findall(r'src="([^"]*)"', text)
    assert len(sources) == 3 * 5 + text.count("missed:") and all(
        source.startswith("data:image/png;base64,") for source in sources
    )
    assert "g0&lt;&amp;&gt;.png" in text and "://" not in text
    assert Image.open(picture).size[0] > 300


def test_the_place_of_a_missing_drawing_is_empty(evaluation):
    missing = SimpleNamespace(**vars(evaluation))
    missing.splits = Splits(
        "toy", [], [s._replace(path=s.path + ".gone") for s in evaluation.splits.query], evaluation.splits.gallery
    )
    assert gallery_picture(missing, [0], found=1, size=16).shape[2] == 3


def test_without_metrics_queries_are_evenly_spaced_and_headed_by_their_captions(evaluation, tmp_path):
    splits = evaluation.splits
    query = [sample._replace(identity=None, caption=f"caption {row}") for row, sample in enumerate(splits.query)]
    unlabelled = Evaluation(
        "toy", Splits("toy", [], query * 4, splits.gallery), np.repeat(evaluation.ranking, 4, axis=0), None
    )
    assert choose_queries(unlabelled, 4).tolist() == [0, 4, 7, 11]
    text = write_gallery(unlabelled, tmp_path / "bare", found=2)[1].read_text()
    assert [f"caption {row % 3}" for row in range(12)] == re.findall("<h2>(.*?)</h2>", text)


def test_a_query_without_a_relevant_drawing_is_headed_by_that(evaluation, tmp_path):
    splits = evaluation.splits
    gallery = [sample for sample in splits.gallery if sample.identity != "patent1"]
    rows = [row for row, sample in enumerate(splits.gallery) if sample in gallery]
    features = evaluation.features._replace(gallery=evaluation.features.gallery[rows])
    found = rank_features(features, Splits("toy", [], splits.query, gallery))
    text = write_gallery(found, tmp_path / "unmatched")[1].read_text()
    assert text.count("patent1: no relevant drawing in the database") == 1 and text.count(" relevant at rank ") == 2
