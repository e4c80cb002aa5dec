"""Lofts and sweeps: closed, outward and of the right volume, by the divergence theorem."""

import numpy as np
import pytest

from fastpatent.synthetic.curves import circle, rounded
from fastpatent.synthetic.designs import FAMILIES
from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    ball,
    box,
    edge_along,
    prism,
    rectangle,
    regular,
    ring,
    rod,
    torus,
    turned,
)
from fastpatent.synthetic.solids import loft, rotation


def newell(loop):
    return np.cross(loop, np.roll(loop, -1, axis=0)).sum(0) / 2


def flux(solid):
    """(sum of area vectors, volume) with areas signed by the solid's normals; both from the surface only."""
    vectors, volume = np.zeros(3), 0.0
    for loops, normal in solid.faces:
        sizes = sorted((np.linalg.norm(newell(loop - loop[0])) for loop in loops), reverse=True)
        vector = normal * (sizes[0] - sum(sizes[1:]))
        vectors += vector
        volume += vector @ loops[0][0] / 3
    for points, normals in solid.grids:
        a, b, c, d = points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]
        vector = np.cross(c - a, d - b) / 2
        outward = normals[:-1, :-1] + normals[1:, :-1] + normals[1:, 1:] + normals[:-1, 1:]
        vector *= np.sign((vector * outward).sum(-1))[..., None]
        vectors += vector.sum((0, 1))
        volume += (vector * (a + b + c + d) / 4).sum() / 3
    return vectors, volume


SOLIDS = {
    "box": (box(2, 3, 4), 24.0),
    "box with holes": (box(2, 3, 4, holes=[rectangle(1, 0.5).moved(0, 0.7), rectangle(0.5, 0.5).moved(0, -0.6)]), 21.0),
    "hexagon": (prism(regular(6, 1.0), 2.0), 2 * 1.5 * np.sqrt(3)),
    "pyramid stump": (prism(rectangle(2, 2), 3.0, top=0.5), 3 * (4 + 1 + 2) / 3),
    "cone": (turned([(0, 0), (1, 0), (0, 3)]), np.pi),
    "sphere": (ball(1.5), 4 / 3 * np.pi * 1.5**3),
    "torus": (torus(2.0, 0.5), 2 * np.pi**2 * 2.0 * 0.25),
    "ring": (ring(2.0, 1.0, 0.5), np.pi * (4 - 2.25)),
    "cup": (turned([(0, 0), (1, 0), (1, 2), (0.8, 2), (0.8, 0.5), (0, 0.5)]), np.pi * (2 - 0.64 * 1.5)),
    "straight rod": (rod([(0, 0, 0), (1, 2, 2)], 0.2, 0.0), np.pi * 0.04 * 3),
    "elbow": (rod([(0, 0, 2), (0, 0, 0), (2, 0, 0)], 0.3, 1.0), np.pi * 0.09 * (2 + np.pi / 2)),
}


def test_volume():
    for name in SOLIDS:
        solid, volume = SOLIDS[name]
        vectors, found = flux(solid)
        np.testing.assert_allclose(vectors, 0, atol=1e-9, err_msg=f"{name=}")
        assert found == pytest.approx(volume, rel=0.03), f"{name=}"


def test_motions_keep_normals_outward():
    for name in SOLIDS:
        solid, _ = SOLIDS[name]
        matrix = rotation("x", 30) @ np.diag([-1.0, 2.0, 0.5])
        _, volume = flux(solid)
        _, mapped = flux(solid.mapped(matrix, (3.0, -1.0, 2.0)))
        assert mapped == pytest.approx(volume * abs(np.linalg.det(matrix)), rel=1e-6), f"{name=}"


def test_normals_are_those_of_the_surface():
    """On an oval vase the stored normals agree with the cross product of the surface's tangents."""
    profile = rounded([(0, 0), (1, 0), (0.5, 1), (1, 2), (0, 2)], [0, 0, SMOOTH, 0, 0], closed=False)
    ((points, normals),) = loft(circle(1.0).scaled(1, 0.6), profile).grids
    across = np.cross(np.roll(points[:-1], -1, axis=0) - np.roll(points[:-1], 1, axis=0), np.gradient(points[:-1], axis=1))
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    assert (np.abs((across * normals[:-1]).sum(-1))[:, 2:-2] > 0.99).all()


def test_a_cube_has_twelve_creases_and_a_hole_two_more_rings():
    def length(solid):
        return sum(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in solid.creases)

    assert length(box(1, 1, 1)) == pytest.approx(12)
    assert length(box(1, 1, 1, holes=[circle(0.2)])) == pytest.approx(12 + 2 * 2 * np.pi * 0.2, rel=1e-2)


def test_distance_to_an_outline():
    for sides in [3, 4, 6]:
        shape = regular(sides, 1.0)
        assert edge_along(shape, -90) == pytest.approx(np.cos(np.pi / sides)), f"{sides=}"


def test_families_make_closed_solids():
    for family in FAMILIES:
        for seed in range(6):
            solids = family(np.random.default_rng(seed))
            assert len(solids) >= 2, f"{family.__name__}, {seed=}"
            for solid in solids:
                vectors, volume = flux(solid)
                # The surface of a solid with an overlapping hole is not closed.
                np.testing.assert_allclose(vectors, 0, atol=2e-2, err_msg=f"{family.__name__}, {seed=}")
                assert volume > 0, f"{family.__name__}, {seed=}"
