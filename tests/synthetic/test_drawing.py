"""Sheets: one bit, black on white, with ink at the strokes only."""

import numpy as np
import pytest

from fastpatent.synthetic.camera import Camera
from fastpatent.synthetic.designs.primitives import ball, box, broken, turned
from fastpatent.synthetic.drawing import Style, View, draw, outline_points, shading_points, stroke
from fastpatent.synthetic.hatching import tone
from fastpatent.synthetic.lettering import GLYPHS, caption
from fastpatent.synthetic.scene import Scene

PLAIN = Style(pen=0.8, rulings=0, hatch=None, captioned=False)


def test_stroke_inks_the_pixels_within_its_radius():
    for radius in [0.55, 0.8, 1.0, 1.6]:
        points = np.random.default_rng(0).uniform(0, 30, (40, 2))
        paper = np.zeros((30, 30), bool)
        stroke(paper, points, radius)
        centre = np.stack(np.meshgrid(np.arange(30) + 0.5, np.arange(30) + 0.5), -1)
        distance = np.linalg.norm(centre[:, :, None] - points, axis=-1).min(-1)
        np.testing.assert_array_equal(paper, distance <= radius, err_msg=f"{radius=}")


def test_a_cube_from_the_front_is_a_square():
    view = View(Scene([box(2, 2, 2)]), Camera(0, 0), 200, 20)
    assert view.shape == (240, 240)
    points = outline_points(view)
    border = np.abs(points - 120).max(1)
    np.testing.assert_allclose(border, 100, atol=1e-6)


def test_an_outline_has_no_gaps():
    """The outline of a ball is closed: the white inside is not connected to the margin."""
    from skimage.measure import label

    paper = np.asarray(draw(Scene([ball(1.0), box(1, 1, 1)]), Camera(30, 20, 6.0), PLAIN, np.random.default_rng(0), 1))
    regions = label(paper, connectivity=1)
    assert regions[paper.shape[0] // 2, paper.shape[1] // 2] != regions[0, 0]


def test_broken_lines_have_about_two_thirds_of_the_ink():
    whole = [box(2, 2, 2), turned([(0, 0), (0.5, 0), (0.5, 1), (0, 1)]).moved(0, 0, 1.9)]
    lengths = [len(outline_points(View(Scene(solids), Camera(30, 20), 300, 10))) for solids in (whole, broken(whole))]
    assert lengths[1] / lengths[0] == pytest.approx(9 / 14, abs=0.06)


def test_shading_lies_on_dark_faces_only():
    """A cube lit from the upper left: only the right-hand face of this view faces away from the light."""
    scene, camera = Scene([box(2, 2, 2)]), Camera(-40, 25)
    view = View(scene, camera, 300, 10)
    points = shading_points(view, PLAIN._replace(hatch=(45, 5.0)), phase=0.3)
    assert len(points) > 100
    face = view.buffer.face[points[:, 1].astype(int), points[:, 0].astype(int)]
    normals = scene.face_normal[face] / np.linalg.norm(scene.face_normal[face], axis=1, keepdims=True)
    assert (tone(normals, camera) < 0.48).all()
    np.testing.assert_allclose(np.unique(np.round(normals, 6), axis=0), [[0, -1, 0]], atol=1e-6)


def test_rulings_lie_on_the_dark_side_of_a_cylinder():
    solids = [turned([(0, 0), (1, 0), (1, 2), (0, 2)]), box(0.1, 0.1, 0.1).moved(0, 0, 1)]
    style = PLAIN._replace(rulings=48)
    view = View(Scene(solids, style.rulings), Camera(0, 0), 300, 10)
    points = shading_points(view, style, phase=0.3)
    assert len(points) > 100
    # Lit from the left: with normals (sin, cos) across the image, it is dark right of the middle.
    across = (points[:, 0] - view.shape[1] / 2) / (view.shape[1] / 2 - 10)
    assert across.min() > -0.2


def test_sheet_is_one_bit_with_white_margins():
    for captioned in [False, True]:
        for pen in [0.6, 1.0]:
            scene = Scene([box(3, 1, 1), ball(0.7).moved(0, 0, 1.2)])
            sheet = draw(scene, Camera(30, 20, 9.0), Style(pen, 0, None, captioned), np.random.default_rng(5), 3)
            assert sheet.mode == "1", f"{captioned=}, {pen=}"
            paper = np.asarray(sheet)
            assert paper[[0, -1]].all() and paper[:, [0, -1]].all(), f"{captioned=}, {pen=}"
            assert 300 <= max(sheet.size) <= 700, f"{captioned=}, {pen=}"
            assert 0.002 < 1 - paper.mean() < 0.1, f"{captioned=}, {pen=}"


def test_a_caption_has_the_requested_height():
    points = caption("FIG. 0123456789", 15.0)
    assert np.ptp(points[:, 1]) == pytest.approx(15.0)
    assert set("FIG. 0123456789") <= set(GLYPHS)
    widths = [np.ptp(caption(f"FIG. {number}", 15.0)[:, 0]) for number in (8, 88)]
    assert widths[1] > widths[0]
