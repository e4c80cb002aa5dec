"""Projection and facing against the textbook pinhole camera."""

import numpy as np

from fastpatent.synthetic.camera import Camera, patent_views

CAMERAS = [Camera(0, 0), Camera(30, 20), Camera(-90, 0, 5.0), Camera(135, -40, 7.5), Camera(10, 90), Camera(0, -90, 6.0)]


def look_at(camera):
    """World-to-view 4 x 4 matrix from the position of the eye, built as in graphics libraries."""
    azimuth, elevation = np.radians([camera.azimuth, camera.elevation])
    distance = camera.distance if np.isfinite(camera.distance) else 1.0
    eye = distance * np.array([np.cos(elevation) * np.sin(azimuth), -np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    backward = eye / np.linalg.norm(eye)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(backward, right), backward
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix, distance


def test_projection():
    for camera in CAMERAS:
        points = np.random.default_rng(3).uniform(-1, 1, (50, 3))
        matrix, distance = look_at(camera)
        view = np.c_[points, np.ones(50)] @ matrix.T
        picture = view[:, :2] * (distance / -view[:, 2:3] if np.isfinite(camera.distance) else 1.0)
        found = camera.project(points)
        np.testing.assert_allclose(found[:, :2], picture, atol=1e-12, err_msg=f"{camera=}")
        # The order of depths stays the same, though the projection changes their scale.
        assert (np.argsort(found[:, 2]) == np.argsort(view[:, 2])).all(), f"{camera=}"


def test_lines_and_planes_stay_straight():
    for camera in CAMERAS:
        rng = np.random.default_rng(0)
        start, end = rng.uniform(-1, 1, (2, 3))
        line = camera.project(start + np.linspace(0, 1, 9)[:, None] * (end - start))
        assert np.linalg.matrix_rank(line - line[0], tol=1e-9) == 1, f"{camera=}"
        plane = camera.project(rng.uniform(-1, 1, (20, 2)) @ rng.uniform(-1, 1, (2, 3)) + 0.2)
        assert np.linalg.matrix_rank(plane - plane[0], tol=1e-9) == 2, f"{camera=}"


def test_facing_is_the_sign_towards_the_eye():
    for camera in CAMERAS:
        rng = np.random.default_rng(1)
        points, normals = rng.uniform(-1, 1, (2, 40, 3))
        matrix, distance = look_at(camera)
        eye = -matrix[:3, :3].T @ matrix[:3, 3]
        towards = eye - points if np.isfinite(camera.distance) else np.broadcast_to(eye, points.shape)
        assert ((camera.facing(points, normals) > 0) == ((towards * normals).sum(1) > 0)).all(), f"{camera=}"


def test_front_view_shows_right_and_up():
    np.testing.assert_allclose(Camera(0, 0).project(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])), np.eye(3), atol=1e-12)


def test_patent_views_are_seven_or_eight_round_the_object():
    counts = set()
    for seed in range(20):
        views = patent_views(np.random.default_rng(seed), 2.0)
        counts.add(len(views))
        assert np.isfinite([views[0].distance, views[-1].distance]).all()
        assert min(view.distance for view in views) > 2 * 2.0
        directions = np.array([view.axes()[2] for view in views])
        assert (directions.max(0) > 0.7).all() and (directions.min(0)[:2] < -0.7).all()
    assert counts == {7, 8}
