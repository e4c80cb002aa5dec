"""Item buffer against a point-in-polygon test at every pixel centre."""

import numpy as np
from skimage.measure import points_in_poly

from fastpatent.synthetic.raster import farthest_around, rasterise

SHAPE = (40, 60)
CENTRES = np.stack(np.meshgrid(np.arange(60) + 0.5, np.arange(40) + 0.5), -1).reshape(-1, 2)


def scene(seed, faces=12):
    """Random planar polygons, some with a hole: (points, edges, edge_face, per face (loops, plane))."""
    rng = np.random.default_rng(seed)
    points, edges, owner, truth = [], [], [], []
    for face in range(faces):
        middle, radius = rng.uniform(10, 30, 2) + [8, 0], rng.uniform(3, 10)
        plane = np.append(rng.uniform(-1, 1, 2), rng.uniform(-30, 30))
        loops = []
        for scale in (1.0, 0.4)[: rng.integers(1, 3)]:
            angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
            reach = scale * radius * rng.uniform(0.6, 1, len(angle))[:, None]
            loops.append(middle + reach * np.stack([np.cos(angle), np.sin(angle)], 1))
        for loop in loops:
            first = sum(map(len, points))
            points.append(np.c_[loop, np.c_[loop, np.ones(len(loop))] @ plane])
            edges.append(first + np.stack([np.arange(len(loop)), np.roll(np.arange(len(loop)), -1)], 1))
            owner.append(np.full(len(loop), face))
        truth.append((loops, plane))
    return np.concatenate(points), np.concatenate(edges), np.concatenate(owner), truth


def test_nearest_face_and_its_depth():
    for seed in range(6):
        points, edges, owner, truth = scene(seed)
        depth, face = np.full(len(CENTRES), np.inf), np.full(len(CENTRES), -1)
        for number, (loops, plane) in enumerate(truth):
            inside = np.zeros(len(CENTRES), bool)
            for loop in loops:
                inside ^= points_in_poly(CENTRES, loop)
            here = np.c_[CENTRES, np.ones(len(CENTRES))] @ plane
            nearer = inside & (here < depth)
            depth[nearer], face[nearer] = here[nearer], number
        buffer = rasterise(points, edges, owner, len(truth), SHAPE)
        assert (buffer.face.ravel() == face).mean() == 1.0, f"{seed=}"
        np.testing.assert_allclose(buffer.depth.ravel(), depth, atol=1e-4, err_msg=f"{seed=}")
        np.testing.assert_allclose(buffer.planes, [plane for _, plane in truth], atol=1e-7, err_msg=f"{seed=}")


def test_farthest_around_is_the_maximum_of_nine():
    depth = np.random.default_rng(0).normal(size=(9, 7))
    found = farthest_around(depth)
    for row in range(1, 8):
        for column in range(1, 6):
            assert found[row, column] == depth[row - 1 : row + 2, column - 1 : column + 2].max()
    assert np.isinf(found[0]).all() and np.isinf(found[:, -1]).all()
