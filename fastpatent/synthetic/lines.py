"""The lines of a drawing: creases, contours of curved surfaces and joints of solids, with hidden parts removed.

Contours are the zero set of normal . view interpolated over each cell (Hertzmann and Zorin, SIGGRAPH 2000, section 5.1).
They are smooth, unlike the zigzag of a mesh's own silhouette edges.
"""

import numpy as np

from fastpatent.synthetic.raster import ItemBuffer
from fastpatent.synthetic.scene import Scene

SPACING = 0.5
# A line lies on its surface, so near a point of it some pixel of that surface is at the same depth or farther. In a valley
# this fails: half a pixel aside, both walls are nearer, by at most this many pixels.
BIAS = 1.0


def contours(scene: Scene, facing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The contours of curved surfaces, where they turn away from the viewer.

    Args:
        scene: Scene.
        facing: float64 [vertices]: positive where the surface faces the viewer.

    Returns:
        (segments float64 [segments, 2, 3] in world coordinates, solid int64 [segments], joints int64 [segments, 2]):
        consecutive segments have a joint number in common.
    """
    value = facing[scene.cells]
    crossed = (value > 0) != (np.roll(value, -1, axis=1) > 0)
    turning = np.flatnonzero(crossed.any(1))
    crossed, cells, value = crossed[turning], scene.cells[turning], value[turning]
    # Two of a cell's four sides are crossed; of the four crossings of a saddle (rare), the outer two are used.
    sides = np.stack([crossed.argmax(1), 3 - crossed[:, ::-1].argmax(1)], 1)
    pick = np.arange(len(cells))[:, None]
    start, end = cells[pick, sides], cells[pick, (sides + 1) % 4]
    part = value[pick, sides] / (value[pick, sides] - value[pick, (sides + 1) % 4])
    segments = scene.vertices[start] + part[..., None] * (scene.vertices[end] - scene.vertices[start])
    joints = np.minimum(start, end) * len(scene.vertices) + np.maximum(start, end)
    return segments, scene.cell_solid[turning], joints


def chained(segments: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orient segments along their chains and compute the arc length at the start of each.

    Args:
        segments: float64 [segments, 2, 3] on the sheet (column, row, depth).
        joints: int64 [segments, 2].

    Returns:
        (float64 [segments, 2, 3], all segments of a chain in one direction, float64 [segments] starts in pixels).
    """
    segments, begins = segments.copy(), np.zeros(len(segments))
    lengths = np.hypot(*(segments[:, 1, :2] - segments[:, 0, :2]).T)
    ends_of: list[list[int]] = joints.tolist()
    at: dict[int, list[int]] = {}
    for number, ends in enumerate(ends_of):
        for joint in ends:
            at.setdefault(joint, []).append(number)
    # Open chains are entered at a free end; then only closed ones remain, entered anywhere.
    entries = [(number, ends[side]) for number, ends in enumerate(ends_of) for side in (0, 1) if len(at[ends[side]]) == 1]
    done: set[int] = set()
    for first, entry in entries + [(number, ends[0]) for number, ends in enumerate(ends_of)]:
        number: int | None = first
        length = 0.0
        while number is not None and number not in done:
            done.add(number)
            if ends_of[number][0] != entry:
                segments[number] = segments[number][::-1]
            begins[number], length = length, length + lengths[number]
            entry = sum(ends_of[number]) - entry
            number = next((other for other in at[entry] if other not in done), None)
    return segments, begins


def polyline_segments(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut polylines on the sheet into segments.

    Args:
        points: float64 [points, 3].
        line: int64 [points]: number of the polyline of each point, ascending.

    Returns:
        (float64 [segments, 2, 3], int64 [segments] index of the first point of each, float64 [segments] arc length from
        the start of the polyline to that point).
    """
    inside = np.flatnonzero(line[:-1] == line[1:])
    segments = np.stack([points[inside], points[inside + 1]], 1)
    lengths = np.hypot(*(segments[:, 1, :2] - segments[:, 0, :2]).T)
    begins = np.cumsum(lengths) - lengths
    _, first = np.unique(line[inside], return_index=True)
    counts = np.diff(first, append=len(inside))
    return segments, inside, begins - np.repeat(begins[first], counts)


def sample(segments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points along segments at equal steps of at most `SPACING` pixels.

    Returns:
        (float64 [samples, 3], int64 [samples] segment of each, float64 [samples] its position in the segment, 0 to 1).
    """
    reach = segments[:, 1] - segments[:, 0]
    counts = np.ceil(np.hypot(reach[:, 0], reach[:, 1]) / SPACING).astype(np.int64)
    owner = np.repeat(np.arange(len(segments)), counts)
    place = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[owner]
    return segments[owner, 0] + place[:, None] * reach[owner], owner, place


def visible(samples: np.ndarray, farthest: np.ndarray) -> np.ndarray:
    """bool [samples]: not hidden.

    A sample is visible if some pixel in its 3 x 3 neighbourhood is at its depth or farther: its own surface or, along an
    outline, what lies behind it.

    Args:
        samples: float64 [samples, 3]: column, row, depth.
        farthest: float32 [height, width] from `farthest_around`.
    """
    column, row = samples[:, 0].astype(np.int64), samples[:, 1].astype(np.int64)
    return farthest[row, column] >= samples[:, 2] - BIAS


def joints_of_solids(buffer: ItemBuffer, face_solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersection curves of two solids, found where both are visible in neighbouring pixels.

    Between two neighbouring pixels the depths of the two faces are linear, so the point of equal depth is exact. The pair is
    a joint only if that point lies between the pixels; otherwise one solid only occludes the other.

    Args:
        buffer: ItemBuffer.
        face_solid: int64 [faces].

    Returns:
        (points float64 [points, 2] as column and row, int64 [points, 2] the two solids).
    """
    found, pairs = [], []
    solid = np.append(face_solid, -1).astype(np.int16)[buffer.face]
    for down, right in ((0, 1), (1, 0)):
        width = solid.shape[1] - right
        here, there = solid[: solid.shape[0] - down, :width], solid[down:, right:]
        change = np.flatnonzero(here != there)
        row, column = change // width, change % width
        both = (here[row, column] >= 0) & (there[row, column] >= 0)
        row, column = row[both], column[both]
        centre = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], 1)
        step = np.array([right, down, 0.0])
        gap = buffer.planes[buffer.face[row, column]] - buffer.planes[buffer.face[row + down, column + right]]
        at, slope = (gap * centre).sum(1), gap @ step
        place = -at / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        joint = (place > -0.6) & (place < 1.6)
        found.append((centre + np.clip(place, 0, 1)[:, None] * step)[joint, :2])
        pairs.append(np.stack([solid[row, column], solid[row + down, column + right]], 1)[joint])
    return np.concatenate(found), np.concatenate(pairs)
