"""Thumbnails of drawings, and PNG files."""

import numpy as np
from PIL import Image

from fastpatent.report.picture import shrink, thumbnail, write_png


def test_a_drawing_is_fitted_into_the_middle_of_a_white_square(tmp_path):
    for size in ((300, 150), (40, 200), (20, 10)):
        Image.new("L", size, 0).save(tmp_path / "black.png")
        square = np.asarray(thumbnail(tmp_path / "black.png", 50))
        assert square.shape == (50, 50) and set(np.unique(square)) == {0, 255}, size
        rows, columns = np.nonzero(square == 0)
        scale = min(1, 50 / max(size))
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == tuple(round(side * scale) for side in size), size
        assert abs(rows.min() + rows.max() - 49) <= 1 and abs(columns.min() + columns.max() - 49) <= 1, size


def test_strokes_of_one_pixel_in_four_are_twice_as_dark_as_their_mean():
    drawing = np.full((80, 80), 255, np.uint8)
    drawing[::4] = 0
    small = np.asarray(shrink(Image.fromarray(drawing), 20)).astype(float)
    assert np.abs(small - (2 * 255 * 3 / 4 - 255)).max() <= 2


def test_the_thumbnail_of_an_unreadable_drawing_is_white(tmp_path):
    assert np.asarray(thumbnail(tmp_path / "gone.png", 8)).tolist() == [[255] * 8] * 8


def test_a_picture_is_written_as_it_is(tmp_path):
    for shape in ((7, 5), (7, 5, 3)):
        picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        write_png(tmp_path / "picture.png", picture)
        assert (np.asarray(Image.open(tmp_path / "picture.png")) == picture).all(), shape
        assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
