import numpy as np
import pytest
from PIL import Image

from fastpatent.report.picture import shrink, thumbnail, write_png


@pytest.mark.parametrize("size", [(300, 150), (40, 200), (20, 10)])
def test_a_drawing_is_fitted_into_the_middle_of_a_white_square(tmp_path, size):
    Image.new("L", size, 0).save(tmp_path / "black.png")
    square = np.asarray(thumbnail(tmp_path / "black.png", 50))
    assert square.shape == (50, 50) and set(np.unique(square)) == {0, 255}
    rows, columns = np.nonzero(square == 0)
    scale = min(1, 50 / max(size))
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == tuple(round(side * scale) for side in size)
    assert abs(rows.min() + rows.max() - 49) <= 1 and abs(columns.min() + columns.max() - 49) <= 1


def test_strokes_of_one_pixel_in_four_are_twice_as_dark_as_their_mean():
    drawing = np.full((80, 80), 255, np.uint8)
    drawing[::4] = 0
    small = np.asarray(shrink(Image.fromarray(drawing), 20)).astype(float)
    assert np.abs(small - (2 * 255 * 3 / 4 - 255)).max() <= 2


def test_a_drawing_that_cannot_be_read_leaves_paper(tmp_path):
    assert np.asarray(thumbnail(tmp_path / "gone.png", 8)).tolist() == [[255] * 8] * 8


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)])
def test_a_picture_is_written_as_it_is(tmp_path, shape):
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    write_png(tmp_path / "picture.png", picture)
    assert (np.asarray(Image.open(tmp_path / "picture.png")) == picture).all()
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
