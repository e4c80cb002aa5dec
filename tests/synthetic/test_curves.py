"""Outlines and paths: lengths, areas and tangents against closed formulas."""

import numpy as np
import pytest

from fastpatent.synthetic.curves import circle, helix, polar, rounded


def area(points):
    x, y = points.T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def square(side, radius):
    half = side / 2
    return rounded([(-half, -half), (half, -half), (half, half), (-half, half)], radius)


def test_rounded_square_has_the_area_of_the_formula():
    for radius in [0.0, 0.1, 0.4, 1.0, np.inf]:
        fillet = min(radius, 1.0)
        assert area(square(2.0, radius).points) == pytest.approx(4 - (4 - np.pi) * fillet**2, rel=6e-3), f"{radius=}"


def test_corners_and_runs():
    for radius, corners, pieces in [(0.0, 4, 4), (0.3, 0, 1)]:
        curve = square(2.0, radius)
        assert curve.corners().sum() == corners, f"{radius=}, {corners=}, {pieces=}"
        runs = curve.runs()
        assert len(runs) == pieces, f"{radius=}, {corners=}, {pieces=}"
        # Together the runs cover every side of the outline once.
        sides = [tuple(pair) for index, _ in runs for pair in zip(index[:-1], index[1:])]
        assert sorted(sides) == [(i, (i + 1) % len(curve.points)) for i in range(len(curve.points))], (
            f"{radius=}, {corners=}, {pieces=}"
        )
        for index, tangents in runs:
            chord = np.diff(curve.points[index], axis=0)
            assert ((chord * tangents[:-1]).sum(1) > 0.99 * np.linalg.norm(chord, axis=1)).all(), (
                f"{radius=}, {corners=}, {pieces=}"
            )


def test_arcs_are_tangent_to_the_edges_they_join():
    curve = rounded([(0, 0, 0), (2, 0, 0), (2, 2, 0), (2, 2, 2)], 0.5, closed=False)
    np.testing.assert_allclose(curve.points[[0, -1]], [(0, 0, 0), (2, 2, 2)])
    assert not curve.corners().any()
    centre = np.array([1.5, 0.5, 0.0])
    on_arc = np.isclose(np.linalg.norm(curve.points - centre, axis=1), 0.5)
    assert on_arc.sum() >= 4
    radial = curve.points[on_arc] - centre
    np.testing.assert_allclose((radial * curve.after[on_arc]).sum(1), 0, atol=1e-12)


def test_tangents_are_unit_and_follow_the_points():
    for curve in [
        circle(2.0),
        polar(lambda angle: np.full_like(angle, 2.0)),
        helix(1.5, 0.4, 3),
        circle(1.0).scaled(1.0, 3.0).moved(1, 2),
    ]:
        np.testing.assert_allclose(np.linalg.norm(curve.after, axis=1), 1, err_msg=f"{curve.points[0]}")
        ahead, behind = np.roll(curve.points, -1, axis=0), np.roll(curve.points, 1, axis=0)
        chord = (ahead - behind)[1:-1]
        chord /= np.linalg.norm(chord, axis=1, keepdims=True)
        assert ((chord * curve.after[1:-1]).sum(1) > 0.98).all(), f"{curve.points[0]}"
