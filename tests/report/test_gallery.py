import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fastpatent.data.samples import Sample, Splits
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.report.gallery import FRAMES, choose_queries, gallery_picture, write_gallery
from fastpatent.report.tables import metrics_table


@pytest.fixture
def evaluation(tmp_path):
    """Three queries over six drawings; the features put every identity's drawings first except the last one's."""

    def drawing(name, identity):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.where(np.eye(40, 30) > 0, 0, 255).astype(np.uint8)).save(path)
        return Sample(str(path), identity)

    query = [drawing(f"q{i}", f"patent{i}") for i in range(3)]
    gallery = [drawing(f"g{i}<&>", f"patent{i // 2}") for i in range(6)]
    places = np.array([0, 10, 0, 0, 1, 10, 11, 20, 21]) + 1.0
    features = np.stack([np.cos(places / 20), np.sin(places / 20)], axis=1)
    return rank_features("toy", features, Splits("toy", [], query, gallery))


def test_queries_are_shown_from_the_best_to_the_worst(evaluation):
    chosen = choose_queries(evaluation, 3)
    precision = evaluation.metrics.average_precision[chosen]
    assert (np.diff(precision) <= 0).all() and chosen[-1] == 2
    assert len(choose_queries(evaluation, 2)) == 2


def test_frames_tell_right_from_wrong(evaluation):
    picture = gallery_picture(evaluation, queries=1, found=3, size=32)
    colours = {tuple(pixel) for row in picture for pixel in row}
    assert {FRAMES["query"], FRAMES["right"], FRAMES["wrong"]} <= colours
    unlabelled = Splits("toy", [], [s._replace(identity=None) for s in evaluation.splits.query], evaluation.splits.gallery)
    grey = gallery_picture(Evaluation("toy", unlabelled, evaluation.ranking, None), queries=1, found=3, size=32)
    assert FRAMES["unknown"] in {tuple(pixel) for row in grey for pixel in row}


def test_the_page_holds_everything_it_shows(evaluation, tmp_path):
    picture, page = write_gallery(evaluation, tmp_path / "gallery_toy", found=4)
    text = page.read_text()
    sources = re.findall(r'src="([^"]*)"', text)
    assert len(sources) == 3 * 5 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "g0&lt;&amp;&gt;.png" in text and "http" not in text
    assert Image.open(picture).size[0] > 300


def test_a_drawing_that_vanished_leaves_its_place_empty(evaluation):
    missing = SimpleNamespace(**vars(evaluation))
    missing.splits = Splits(
        "toy", [], [s._replace(path=s.path + ".gone") for s in evaluation.splits.query], evaluation.splits.gallery
    )
    assert gallery_picture(missing, queries=1, found=1, size=16).shape[2] == 3


def test_the_table_has_the_figures_and_says_where_there_are_none(evaluation):
    console = Console(width=120, file=io.StringIO())
    console.print(
        metrics_table([("toy", evaluation), ("blind", Evaluation("toy", evaluation.splits, evaluation.ranking, None))])
    )
    text = console.file.getvalue()
    assert f"{evaluation.summary['mAP']:.4f}" in text and "no labels" in text
