"""Item buffer: the visible polygon at every pixel, and its depth.

Polygons of any shape, with or without holes, are filled by scan conversion with the even-odd rule, all at once.
"""

from typing import NamedTuple

import numpy as np

FACE_BITS = 18
DEPTH_LEVELS = 1 << 40
PAPER = DEPTH_LEVELS << FACE_BITS


class ItemBuffer(NamedTuple):
    """The visible polygon and its depth at every pixel.

    Attributes:
        face: int64 [height, width]; -1 on the background.
        depth: float32 [height, width], in pixels away from the viewer; inf on the background.
        planes: float64 [faces, 3]: depth = planes @ (column, row, 1) over the image of each face.
    """

    face: np.ndarray
    depth: np.ndarray
    planes: np.ndarray


def rasterise(
    points: np.ndarray, edges: np.ndarray, edge_face: np.ndarray, faces: int, shape: tuple[int, int]
) -> ItemBuffer:
    """Fill polygons into an item buffer.

    Args:
        points: float64 [vertices, 3]: column, row (pixel (i, j) has its centre at (j + .5, i + .5)) and depth.
        edges: int64 [edges, 2]: sides of the polygons, as closed loops.
        edge_face: int64 [edges], in [0, faces).
        faces: number of polygons; those without edges are not drawn.
        shape: (height, width) that contains all the points.

    Returns:
        ItemBuffer.
    """
    height, width = shape
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    planes = _planes(start, end, edge_face, faces)
    first = np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5).astype(np.int64)
    rows = np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5).astype(np.int64) - first
    crossed = np.flatnonzero(rows > 0)
    first, rows, start, end = first[crossed], rows[crossed], start[crossed], end[crossed]
    slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    row = np.repeat(first - (np.cumsum(rows) - rows), rows) + np.arange(rows.sum())
    column = np.repeat(start[:, 0] - start[:, 1] * slope, rows) + (row + 0.5) * np.repeat(slope, rows)
    # The crossings of one face with one row must be adjacent and in order: one sort by a combined key.
    stride = 4.0 * width
    key = np.sort((np.repeat(edge_face[crossed], rows) * height + row) * stride + column + width)
    line = (key // stride).astype(np.int64)
    column = key - line * stride - width
    face, row = line[::2] // height, line[::2] % height
    left = np.ceil(column[::2] - 0.5).astype(np.int64)
    length = np.ceil(column[1::2] - 0.5).astype(np.int64) - left
    filled = np.flatnonzero(length > 0)
    face, row, left, length = face[filled], row[filled], left[filled], length[filled]
    low, high = points[:, 2].min(), points[:, 2].max()
    unit = (DEPTH_LEVELS - 2) / max(high - low, 1e-9)
    ends = [
        planes[face, 0] * (column + 0.5) + planes[face, 1] * (row + 0.5) + planes[face, 2]
        for column in (left, left + length - 1)
    ]
    begin, end = (np.clip((depth - low) * unit, 0, DEPTH_LEVELS - 2).astype(np.int64) for depth in ends)
    step = (end - begin) // np.maximum(length - 1, 1) << FACE_BITS
    # One number per pixel, the depth in its high bits and the face in its low bits: the nearest face is the minimum.
    offset = np.cumsum(length) - length
    count = np.arange(length.sum())
    pixel = count + np.repeat(row * width + left - offset, length)
    item = count * np.repeat(step, length)
    item += np.repeat((begin << FACE_BITS | face) - step * offset, length)
    nearest = np.full(height * width, PAPER, np.int64)
    np.minimum.at(nearest, pixel, item)
    paper = nearest == PAPER
    depth = ((nearest >> FACE_BITS) * np.float32(1 / unit) + np.float32(low)).astype(np.float32)
    depth[paper] = np.inf
    seen = np.where(paper, -1, nearest & ((1 << FACE_BITS) - 1))
    return ItemBuffer(seen.reshape(shape), depth.reshape(shape), planes)


def _planes(start: np.ndarray, end: np.ndarray, edge_face: np.ndarray, faces: int) -> np.ndarray:
    """float64 [faces, 3]: depth plane of each polygon, through its centroid with its Newell normal."""

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(edge_face, values, minlength=faces)

    count = np.maximum(total(np.ones(len(edge_face))), 1)
    centre = np.stack([total(start[:, axis]) / count for axis in range(3)], 1)
    normal = np.cross(start - centre[edge_face], end - centre[edge_face])
    normal = np.stack([total(normal[:, axis]) for axis in range(3)], 1)
    # A face seen edge-on covers almost no pixel centres; its slope only has to be finite.
    lean = np.where(np.abs(normal[:, 2]) < 1e-9, 1e-9, normal[:, 2])
    slope = -normal[:, :2] / lean[:, None]
    return np.column_stack([slope, centre[:, 2] - (slope * centre[:, :2]).sum(1)])


def farthest_around(depth: np.ndarray) -> np.ndarray:
    """float32 [height, width]: the greatest depth within each pixel's 3 x 3 neighbourhood."""
    padded = np.full(np.array(depth.shape) + 2, np.inf, depth.dtype)
    padded[1:-1, 1:-1] = depth
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
