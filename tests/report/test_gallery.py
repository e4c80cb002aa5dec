"""Pictures and pages of queries with their results."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample, Splits
from fastpatent.errors import DataError
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.report.gallery import FRAMES, best_and_worst, check_gallery, choose_queries, gallery_picture, write_gallery
from fastpatent.report.page import TEMPLATES


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


def luminance(colour):
    """WCAG 2's relative luminance of "#rrggbb" or of three bytes."""
    values = np.array(list(bytes.fromhex(colour[1:])) if isinstance(colour, str) else colour) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_right_and_wrong_differ_in_luminance_from_each_other_and_from_the_paper():
    themes = [
        dict(re.findall("--([a-z]+): (#[0-9a-f]{6})", theme))
        for theme in re.findall("color-scheme.*?}", (TEMPLATES / "style.css").read_text(), re.S)
    ]
    assert len(themes) == 2 and {name: bytes.fromhex(themes[0][name][1:]) for name in FRAMES} == {
        name: bytes(colour) for name, colour in FRAMES.items()
    }
    for theme in themes:
        assert contrast(theme["right"], theme["wrong"]) > 2.9
        assert all(contrast(theme[name], theme["paper"]) > 3 for name in FRAMES)  # WCAG 1.4.11
        assert all(
            contrast(theme[name], theme[under]) > 4.5 for name in ("ink", "pale", "link") for under in ("paper", "tint")
        )


def test_pictures_and_pages_show_marks_scores_and_a_legend(evaluation, tmp_path, open_page):
    bare = replace(evaluation, scores=None)
    picture, without = (gallery_picture(of, [0, 2], found=2) for of in (evaluation, bare))
    assert (picture != without).any(axis=2).sum() > 100 and picture.shape == without.shape
    legend = {tuple(pixel) for row in picture[-40:] for pixel in row}
    assert {FRAMES[name] for name in ("query", "right", "wrong", "missed")} <= legend
    opened = open_page(write_gallery(evaluation, tmp_path / "gallery", found=2)[1])
    captions = [text.split() for text in opened.locator("figcaption").all_inner_texts()]
    ranked = evaluation.ranking[2, :2]  # the last row: of the query whose answers are all wrong
    shown = [(mark, score) for mark, _, score, _ in captions[-3:-1]]
    similar = evaluation.features.query[2] @ evaluation.features.gallery[ranked].T
    assert shown == [("✗", f"{score:.3f}") for score in similar] and captions[-1][:2] == ["!", "missed"]
    assert captions[1][:2] == ["✓", "correct"] and captions[0] == ["query", "q0.png"]
    for mark in ("query", "✓ correct", "✗ wrong", "! missed"):
        assert mark in opened.locator(".legend").inner_text()


def test_galleries_of_this_version_and_the_one_before_are_replaced_and_others_not(evaluation, tmp_path):
    write_gallery(evaluation, tmp_path / "gallery")
    check_gallery(tmp_path / "gallery")
    page = tmp_path / "gallery.html"
    page.write_text("<p>The query is at the left. Correct results have a green frame, wrong ones an orange frame.")
    check_gallery(tmp_path / "gallery")
    page.write_text("<p>mine")
    with pytest.raises(DataError, match="was not written by this command"):
        check_gallery(tmp_path / "gallery")


def test_a_missed_drawing_follows_where_no_result_is_correct(evaluation):
    def blue(picture):
        return (picture[:-40] == FRAMES["missed"]).all(axis=2)  # above the legend

    hit, missed = (gallery_picture(evaluation, [query], found=2, size=128) for query in (0, 2))
    assert not blue(hit).any() and blue(missed).any()
    assert np.nonzero(blue(missed))[1].min() >= hit.shape[1] - 12  # in a column of its own
    assert gallery_picture(evaluation, [0, 2, 1], found=2).shape[0] > 2 * missed.shape[0]


def test_the_page_holds_everything_it_shows(evaluation, tmp_path):
    picture, page = write_gallery(evaluation, tmp_path / "gallery_toy", found=4)
    text = page.read_text()
    sources = re.findall(r'src="([^"]*)"', text)
    assert len(sources) == 3 * 5 + text.count('alt="missed:') and all(
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
