"""Maps of drawings: which are chosen, where they are, and the pixels of the picture."""

import sys

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample
from fastpatent.errors import DataError
from fastpatent.report.benchmark.drawing_map import INKS, map_picture, map_positions, mapped_drawings


@pytest.fixture
def drawing(tmp_path):
    """Make a sample of a white sheet with a black square in a corner."""

    def make(name, identity, ink=40):
        sheet = np.full((200, 300), 255, np.uint8)
        sheet[150 : 150 + ink, 10 : 10 + ink] = 0
        Image.fromarray(sheet).save(tmp_path / f"{name}.png")
        return Sample(str(tmp_path / f"{name}.png"), identity)

    return make


def test_whole_patents_are_chosen_by_name_and_seed():
    samples = [Sample(f"{patent}_{view}.png", f"patent{patent}") for view in range(4) for patent in range(30)]
    chosen = [samples[row].identity for row in mapped_drawings(samples, 41)]
    assert len(chosen) == 41
    assert [chosen.count(name) for name in dict.fromkeys(chosen)] == [4] * 10 + [1]
    alone = [sample for sample in samples if sample.identity in chosen]
    assert [samples[row] for row in mapped_drawings(samples, 41)] == [alone[row] for row in mapped_drawings(alone, 41)]
    assert chosen != [samples[row].identity for row in mapped_drawings(samples, 41, seed=1)]
    unknown = [sample._replace(identity=None) for sample in samples]
    assert len(set(mapped_drawings(unknown, 41).tolist())) == 41


def test_neighbours_by_cosine_are_neighbours_on_the_map():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 15)
    lengths = rng.uniform(0.1, 10, (60, 1))  # cosine ignores them
    features = (lengths * (np.eye(4, 20)[groups] + rng.normal(0, 0.05, (60, 20)))).astype(np.float32)
    positions = map_positions(features)
    assert positions.dtype == np.float32 and positions.shape == (60, 2)
    assert positions.min(axis=0).tolist() == [0, 0] and positions.max(axis=0).tolist() == [1, 1]
    distances = np.linalg.norm(positions[:, None] - positions, axis=2) + np.eye(60)
    assert (groups[distances.argmin(axis=1)] == groups).all()
    assert (map_positions(features) == positions).all()


def test_too_few_or_equal_features_are_refused():
    for features, message in (
        (np.zeros((9, 3)), "all drawings have the same features"),
        (np.ones((9, 3)), "all drawings have the same features"),
        (np.eye(4), "a map needs at least 5 drawings, not 4"),
    ):
        with pytest.raises(DataError, match=message):
            map_positions(features.astype(np.float32))


def test_few_drawings_with_some_equal_ones_have_finite_positions():
    features = np.eye(5, dtype=np.float32)[[0, 0, 0, 1, 2]]
    assert np.isfinite(map_positions(features)).all()


def test_a_missing_umap_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(DataError, match="umap-learn is not installed"):
        map_positions(np.eye(6, dtype=np.float32), method="UMAP")


def test_ink_is_at_its_position_in_the_colour_of_its_patent_and_paper_is_transparent(drawing):
    samples = [drawing("a", "one"), drawing("b", "two"), drawing("c", "one"), drawing("blank", "two", ink=0)]
    samples.append(samples[0]._replace(path="gone.png"))
    picture = map_picture(samples, [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]], side=240)
    assert picture.shape == (240, 240, 3) and picture.dtype == np.uint8
    mark = 40  # a sixth of the side, filled by the ink
    for colour, corners in ((INKS[0], [(0, 0), (200, 0)]), (INKS[1], [(0, 200)])):
        expected = np.zeros((240, 240), bool)
        for top, left in corners:
            expected[top : top + mark, left : left + mark] = True
        assert ((picture == colour).all(axis=2) == expected).all()
    assert (picture == 255).all(axis=2).sum() == 240 * 240 - 3 * mark * mark


@pytest.mark.parametrize(
    "places", [[[0.5, 0.5]] * 6, [[0, 0]] * 6, [[0.5, 0.5], [0.52, 0.5], [0.5, 0.53], [0, 1], [0.9, 0.9], [0.93, 0.9]]]
)
def test_marks_are_pushed_apart(drawing, places):
    samples = [drawing(f"s{n}", f"patent{n}") for n in range(6)]
    picture = map_picture(samples, places, side=600)
    visible = [(picture == ink).all(axis=2).sum() for ink in INKS[:6]]
    assert min(visible) > 0.3 * 40 * 40  # 40-pixel squares are not enlarged, and later ones hide none
