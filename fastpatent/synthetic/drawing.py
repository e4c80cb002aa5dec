"""One sheet: a view of a design as a black line drawing on white, with hidden lines removed."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from fastpatent.synthetic.camera import Camera
from fastpatent.synthetic.hatching import parallel_strokes, tone
from fastpatent.synthetic.lettering import caption
from fastpatent.synthetic.lines import chained, contours, joints_of_solids, polyline_segments, sample, visible
from fastpatent.synthetic.raster import farthest_around, rasterise
from fastpatent.synthetic.scene import Scene

DASH, GAP = 9.0, 5.0
FINE_PEN = 0.55
SHORTEST_STROKE = 10.0
# A surface seen exactly edge-on counts as facing away, so that its nearer border is the contour.
EDGE_ON = 1e-6


class Style(NamedTuple):
    """A drawing style; many designs share one.

    Attributes:
        pen: radius of the outline strokes in pixels.
        rulings: number of shading lines per full turn of a curved surface; 0 for none.
        hatch: (angle in degrees, pitch in pixels) of parallel strokes on flat faces, or None.
        captioned: whether the sheet has the caption FIG. n.
    """

    pen: float
    rulings: int
    hatch: tuple[float, float] | None
    captioned: bool


class View:
    """A scene projected by a camera onto a sheet.

    Attributes:
        shape: (height, width) in pixels.
        buffer: ItemBuffer.
        farthest: float32 [height, width]: greatest depth around each pixel.
        facing: float64 [vertices]: positive where a curved surface faces the viewer.
    """

    def __init__(self, scene: Scene, camera: Camera, size: float, margin: int) -> None:
        """Args: scene: Scene; camera: Camera; size: long side of the drawing in pixels; margin: pixels around it."""
        self.scene, self.camera = scene, camera
        seen = camera.project(scene.vertices)
        low, high = seen.min(0), seen.max(0)
        self._scale = size / (high - low)[:2].max()
        self._corner = np.array([low[0], high[1]])
        self._margin = margin
        extent = (high - low)[:2] * self._scale + 2 * margin
        self.shape = int(np.ceil(extent[1])), int(np.ceil(extent[0]))
        front = camera.facing(scene.face_point, scene.face_normal) > EDGE_ON
        drawn = front[scene.edge_face]
        self.buffer = rasterise(self._placed(seen), scene.edges[drawn], scene.edge_face[drawn], len(front), self.shape)
        self.farthest = farthest_around(self.buffer.depth)
        self.facing = camera.facing(scene.vertices, scene.vertex_normal) - EDGE_ON

    def sheet(self, points: np.ndarray) -> np.ndarray:
        """Project world points [..., 3] to column, row and depth in pixels [..., 3]."""
        return self._placed(self.camera.project(points))

    def _placed(self, seen: np.ndarray) -> np.ndarray:
        column = (seen[..., 0] - self._corner[0]) * self._scale + self._margin
        row = (self._corner[1] - seen[..., 1]) * self._scale + self._margin
        return np.stack([column, row, -seen[..., 2] * self._scale], -1)


def outline_points(view: View) -> np.ndarray:
    """float64 [points, 2]: all points of the drawing's lines, without hidden parts and the gaps of broken lines."""
    scene, broken = view.scene, view.scene.broken
    segments, first, begins = polyline_segments(view.sheet(scene.creases.points), scene.creases.line)
    solids = scene.creases.solid[scene.creases.line[first]]
    turning, turning_solids, joints = contours(scene, view.facing)
    turning = view.sheet(turning)
    turning_begins = np.zeros(len(turning))
    dashed = broken[turning_solids]
    if dashed.any():
        turning[dashed], turning_begins[dashed] = chained(turning[dashed], joints[dashed])
    segments = np.concatenate([segments, turning])
    solids, begins = np.concatenate([solids, turning_solids]), np.concatenate([begins, turning_begins])
    samples, owner, place = sample(segments)
    lengths = np.hypot(*(segments[:, 1, :2] - segments[:, 0, :2]).T)
    inked = visible(samples, view.farthest)
    inked &= ~broken[solids[owner]] | ((begins[owner] + place * lengths[owner]) % (DASH + GAP) < DASH)
    meeting, pairs = joints_of_solids(view.buffer, scene.face_solid)
    inked_meeting = ~broken[pairs].all(1) | ((meeting.sum(1) % (DASH + GAP)) < DASH)
    return np.concatenate([samples[inked, :2], meeting[inked_meeting]])


def shading_points(view: View, style: Style, phase: float) -> np.ndarray:
    """float64 [points, 2]: the shading strokes of `style` on visible surfaces that are not in broken lines."""
    scene, camera = view.scene, view.camera
    found = [np.zeros((0, 2))]
    if style.hatch:
        angle, pitch = style.hatch
        clear = scene.face_flat & ~scene.broken[scene.face_solid]
        normals = scene.face_normal / np.maximum(np.linalg.norm(scene.face_normal, axis=1, keepdims=True), 1e-12)
        found.append(parallel_strokes(view.buffer, clear, tone(normals, camera), angle, pitch, phase))
    if len(scene.rulings.points):
        points, normals = scene.rulings.points, scene.ruling_normals
        lit = tone(normals, camera)
        lit[(camera.facing(points, normals) <= 0) | scene.broken[scene.rulings.solid[scene.rulings.line]]] = np.inf
        segments, first, begins = polyline_segments(view.sheet(points), scene.rulings.line)
        lengths = np.hypot(*(segments[:, 1, :2] - segments[:, 0, :2]).T)
        long = np.bincount(scene.rulings.line[first], lengths) > SHORTEST_STROKE
        lit[~long[scene.rulings.line]] = np.inf
        darkest, lightest = np.minimum(lit[first], lit[first + 1]), np.maximum(lit[first], lit[first + 1])
        dark = np.flatnonzero((lightest < np.inf) & (darkest < 0.5))
        segments, first, begins, lengths = segments[dark], first[dark], begins[dark], lengths[dark]
        samples, owner, place = sample(segments)
        value = lit[first[owner]] + place * (lit[first + 1] - lit[first])[owner]
        # Strokes end at different places: every second one is shorter.
        line = scene.rulings.line[first[owner]]
        limit = np.where(line % 2 == 0, 0.42, 0.22) + 0.06 * np.sin(2.4 * line + phase)
        ink = (value < limit) & visible(samples, view.farthest)
        ink &= np.sin((begins[owner] + place * lengths[owner]) / 17.0 + 1.3 * line + phase) > -0.75
        found.append(samples[ink, :2])
    return np.concatenate(found)


def stroke(paper: np.ndarray, points: np.ndarray, radius: float) -> None:
    """Ink every pixel of `paper` (bool [height, width], True is ink) whose centre lies within `radius` of a point."""
    reach = int(np.ceil(radius))
    height, width = (side + 2 * reach for side in paper.shape)
    canvas = np.zeros((height, width), bool)
    ink = canvas.reshape(-1)
    row, column = np.floor(points[:, 1]), np.floor(points[:, 0])
    below, beside = points[:, 1] - row - 0.5, points[:, 0] - column - 0.5
    pixel = ((row + reach) * width + column + reach).astype(np.int64)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            near = (beside - right) ** 2 + (below - down) ** 2 <= radius**2
            ink[pixel[near] + (down * width + right)] = True
    paper |= canvas[reach:-reach, reach:-reach]


def draw(scene: Scene, camera: Camera, style: Style, rng: np.random.Generator, figure: int) -> Image.Image:
    """Draw one sheet.

    Args:
        scene: Scene, built with `style.rulings`.
        camera: Camera.
        style: Style.
        rng: numpy Generator for the size, the margins and the gaps in the shading.
        figure: figure number of the caption.

    Returns:
        PIL image of mode "1": black lines on white paper, 300-660 pixels on the long side.
    """
    view = View(scene, camera, rng.uniform(300, 480), int(rng.integers(10, 40)))
    paper = np.zeros(view.shape, bool)
    stroke(paper, shading_points(view, style, rng.uniform(0, 2 * np.pi)), FINE_PEN)
    stroke(paper, outline_points(view), style.pen)
    top, bottom, left, right = rng.integers(0, 40, 4)
    points = caption(f"FIG. {figure}", rng.uniform(14, 19)) if style.captioned else None
    if points is not None:
        need = int(points[:, 0].max()) + 8
        left, right = (max(side, (need - view.shape[1]) // 2 + 1) for side in (left, right))
        bottom += 30
    paper = np.pad(paper, ((top, bottom), (left, right)))
    if points is not None:
        place = [(paper.shape[1] - points[:, 0].max()) / 2, paper.shape[0] - 8 - points[:, 1].max()]
        stroke(paper, points + place, max(style.pen, 0.8))
    return Image.fromarray(~paper).convert("1")
