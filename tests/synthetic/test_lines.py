"""Contours, hidden-line removal and joints of solids with known drawings."""

import numpy as np
import pytest

from fastpatent.synthetic.camera import Camera
from fastpatent.synthetic.designs.primitives import ball, box, torus
from fastpatent.synthetic.drawing import View
from fastpatent.synthetic.lines import chained, contours, joints_of_solids, polyline_segments, sample, visible
from fastpatent.synthetic.scene import Polylines, Scene


def seen_share(view, lines):
    """The visible share of each world polyline."""
    lines = Polylines.joined(lines, [0] * len(lines))
    segments, first, _ = polyline_segments(view.sheet(lines.points), lines.line)
    samples, owner, _ = sample(segments)
    line = lines.line[first[owner]]
    return np.bincount(line, visible(samples, view.farthest)) / np.bincount(line)


def cube_edges(side):
    corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * side / 2
    return [np.stack([a, b]) for i, a in enumerate(corner) for b in corner[i + 1 :] if np.sum(a != b) == 1]


def test_a_cube_in_perspective_shows_nine_of_twelve_edges():
    for azimuth, elevation, distance in [(35, 25, 6.0), (-40, 30, 5.0), (130, -20, 8.0), (20, 15, np.inf)]:
        camera = Camera(azimuth, elevation, distance)
        share = seen_share(View(Scene([box(2, 2, 2)]), camera, 400, 20), cube_edges(2.0))
        assert len(share) == 12, f"{azimuth=}, {elevation=}, {distance=}"
        assert (share > 0.97).sum() == 9, f"{azimuth=}, {elevation=}, {distance=}"
        assert (share < 0.03).sum() == 3, f"{azimuth=}, {elevation=}, {distance=}"
        hidden = {tuple(edge.mean(0)) for edge, part in zip(cube_edges(2.0), share) if part < 0.03}
        farthest = -np.sign(camera.axes()[2])
        assert hidden == {tuple(np.where(np.arange(3) == axis, 0.0, farthest)) for axis in range(3)}, (
            f"{azimuth=}, {elevation=}, {distance=}"
        )


def test_a_wall_hides_exactly_the_part_behind_it():
    """Seen from the front, a wall at x < 0 hides exactly the left half of a bar behind it."""
    wall, behind = box(2, 0.2, 2).moved(-1, -2, -1), box(3, 0.2, 0.4).moved(0, 2, -0.2)
    scene = Scene([wall, behind])
    view = View(scene, Camera(0, 0), 400, 20)
    offset = scene.vertices.max(0) - [1.5, 2.1, 1.0]
    bar = np.array([[-1.5, 1.9, 0.2], [1.5, 1.9, 0.2]]) + offset
    assert seen_share(view, [bar])[0] == pytest.approx(0.5, abs=0.01)


def test_the_contour_of_a_sphere_is_the_circle_of_tangency():
    for distance in [np.inf, 4.0, 2.5]:
        scene, camera = Scene([ball(1.0)]), Camera(40, 33, distance)
        segments, solid, _ = contours(scene, camera.facing(scene.vertices, scene.vertex_normal))
        assert (solid == 0).all(), f"{distance=}"
        reach = np.linalg.norm(camera.project(segments.reshape(-1, 3))[:, :2], axis=1)
        expected = 1.0 if np.isinf(distance) else distance / np.sqrt(distance**2 - 1)
        np.testing.assert_allclose(reach, expected, rtol=0.02, err_msg=f"{distance=}")
        length = np.linalg.norm(np.diff(camera.project(segments)[..., :2], axis=1), axis=-1).sum()
        assert length == pytest.approx(2 * np.pi * expected, rel=0.02), f"{distance=}"


def test_chains_of_a_contour_have_no_gaps():
    scene, camera = Scene([torus(1.0, 0.3)]), Camera(20, 60)
    segments, _, joints = contours(scene, camera.facing(scene.vertices, scene.vertex_normal))
    shuffled = np.random.default_rng(0).permutation(len(segments))
    ordered, begins = chained(segments[shuffled], joints[shuffled])
    lengths = np.linalg.norm(ordered[:, 1, :2] - ordered[:, 0, :2], axis=1)
    order = np.argsort(begins, kind="stable")
    ends = {tuple(np.round(ordered[number, 1], 9)): begins[number] + lengths[number] for number in order}
    starts = [(tuple(np.round(start, 9)), begin) for start, begin in zip(ordered[:, 0], begins) if begin > 0]
    # Two closed curves, each cut at the seam of the torus' grid: few chains, and within each a segment starts exactly where
    # another ends.
    assert len(segments) > 60 and len(starts) >= len(segments) - 6
    for start, begin in starts:
        assert ends[start] == pytest.approx(begin)


def test_segments_know_their_place_along_the_polyline():
    lines = [np.array([[0, 0, 0], [3, 4, 1], [3, 5, 1.0]]), np.array([[1, 1, 0], [1, 3, 0.0]])]
    joined = Polylines.joined(lines, [7, 9])
    segments, first, begins = polyline_segments(joined.points, joined.line)
    np.testing.assert_allclose(begins, [0, 5, 0])
    np.testing.assert_array_equal(joined.solid[joined.line[first]], [7, 7, 9])
    samples, owner, place = sample(segments)
    np.testing.assert_allclose(samples, segments[owner, 0] + place[:, None] * (segments[owner, 1] - segments[owner, 0]))
    assert np.diff(samples[owner == 0, :2], axis=0).max() <= 0.5


def test_two_spheres_meet_in_the_circle_of_the_formula():
    """Spheres of radius 1 at a distance of 1.2 meet in a circle of radius 0.8, half way between, seen edge-on as a line."""
    scene = Scene([ball(1.0).moved(-0.6, 0, 0), ball(1.0).moved(0.6, 0, 0)])
    view = View(scene, Camera(0, 0), 400, 20)
    points, pairs = joints_of_solids(view.buffer, scene.face_solid)
    unit = view.sheet(np.array([[1.0, 0, 0], [0, 0, 0]]))
    unit, centre = unit[0, 0] - unit[1, 0], unit[1, :2]
    place = (points - centre) / unit
    assert np.abs(place[:, 0]).max() < 0.02
    assert np.abs(place[:, 1]).max() == pytest.approx(0.8, abs=0.03)
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == {(0, 1)}


def test_a_solid_in_front_of_another_makes_no_joint():
    scene = Scene([box(1, 1, 1).moved(0, -4, 0), box(3, 1, 3).moved(0, 4, -1)])
    points, _ = joints_of_solids(View(scene, Camera(10, 10), 300, 20).buffer, scene.face_solid)
    assert len(points) == 0
