"""Closed solids as planar faces, smooth grids and creases: lofts (prisms, surfaces of revolution) and sweeps.

A solid stores its creases, the lines to draw, with its surface, so they need not be estimated from a triangle mesh.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from fastpatent.synthetic.curves import Curve

FLAT = 1e-9


@dataclass(frozen=True)
class Solid:
    """A closed solid.

    Attributes:
        faces: list of (loops, normal): planar polygons, filled by the even-odd rule over their loops [points, 3].
        grids: list of (points [rows, columns, 3], normals [rows, columns, 3]): curved surfaces with outward unit normals.
        creases: list of polylines [points, 3].
        broken: whether it is drawn in broken lines, for environment that is not part of the claimed design.
    """

    faces: list[tuple[list[np.ndarray], np.ndarray]] = field(default_factory=list)
    grids: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    creases: list[np.ndarray] = field(default_factory=list)
    broken: bool = False

    def mapped(self, matrix: ArrayLike, offset: ArrayLike = (0.0, 0.0, 0.0)) -> "Solid":
        """The solid under x -> matrix x + offset; any invertible `matrix` [3, 3], reflections included."""
        matrix, offset = np.asarray(matrix, float), np.asarray(offset, float)
        turn = np.linalg.inv(matrix)
        return replace(
            self,
            faces=[([loop @ matrix.T + offset for loop in loops], _unit(normal @ turn)) for loops, normal in self.faces],
            grids=[(points @ matrix.T + offset, _unit(normals @ turn)) for points, normals in self.grids],
            creases=[line @ matrix.T + offset for line in self.creases],
        )

    def moved(self, *offset: float) -> "Solid":
        """The solid translated by three numbers."""
        return self.mapped(np.eye(3), offset)

    def scaled(self, *factors: float) -> "Solid":
        """The solid scaled by three factors (negative ones mirror)."""
        return self.mapped(np.diag(factors))

    def turned(self, axis: str, degrees: float) -> "Solid":
        """The solid rotated about the axis "x", "y" or "z" through the origin."""
        return self.mapped(rotation(axis, degrees))

    def bounds(self) -> np.ndarray:
        """float64 [2, 3]: lower and upper corner of the bounding box."""
        points = np.concatenate(
            [loop for loops, _ in self.faces for loop in loops] + [points.reshape(-1, 3) for points, _ in self.grids]
        )
        return np.stack([points.min(0), points.max(0)])


def rotation(axis: str, degrees: float) -> np.ndarray:
    """float64 [3, 3]: right-handed rotation about "x", "y" or "z"."""
    angle = np.radians(degrees)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i], matrix[i, j] = np.sin(angle), -np.sin(angle)
    return matrix


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _right(tangents: np.ndarray) -> np.ndarray:
    """Normals to the right of plane tangents: outward for a counter-clockwise outline and for a rising profile."""
    return np.stack([tangents[:, 1], -tangents[:, 0]], 1)


def _lifted(points: np.ndarray, height: float) -> np.ndarray:
    return np.column_stack([points, np.full(len(points), height)])


def _ring(line: np.ndarray) -> np.ndarray:
    return np.vstack([line, line[:1]])


def loft(outline: Curve, profile: Curve, holes: Sequence[Curve] = ()) -> Solid:
    """The solid whose section at height z is `outline`, scaled by `profile`.

    A prism has the profile (0, 0), (1, 0), (1, h), (0, h); a surface of revolution has a circle of radius 1 as outline.
    With outline c, its normal n, and the profile's normal (p, q), the surface normal is (p n, q (c . n)).

    Args:
        outline: closed plane Curve, counter-clockwise.
        profile: plane Curve of (scale, height) with the material on its left: from the axis at the bottom, up the outer
            wall, back to the axis; or closed, for rings.
        holes: closed plane Curves inside the outline, cut from the lowest to the highest face that reaches the axis.

    Returns:
        Solid.
    """
    solid = Solid()
    caps = []
    for index, tangents in profile.runs():
        scale, height = profile.points[index].T
        across, up = _right(tangents).T
        if np.ptp(height) < FLAT:
            loops = [_lifted(outline.points * s, height[0]) for s in (scale[0], scale[-1]) if s > FLAT]
            if min(scale[0], scale[-1]) <= FLAT:
                loops += [_lifted(hole.points, height[0]) for hole in holes]
                caps.append(height[0])
            solid.faces.append((loops, np.array([0.0, 0.0, np.sign(up[0])])))
            continue
        for around, around_tangents in outline.runs():
            base, normal = outline.points[around], _right(around_tangents)
            points = np.dstack([np.outer(base[:, 0], scale), np.outer(base[:, 1], scale), np.tile(height, (len(base), 1))])
            lean = np.outer((base * normal).sum(1), up)
            normals = _unit(np.dstack([np.outer(normal[:, 0], across), np.outer(normal[:, 1], across), lean]))
            solid.grids.append((points, normals))
        for corner in np.flatnonzero(outline.corners()):
            solid.creases.append(np.column_stack([scale[:, None] * outline.points[corner], height]))
    for scale, height in profile.points[profile.corners()]:
        if scale > FLAT:
            solid.creases.append(_ring(_lifted(outline.points * scale, height)))
    for hole in holes:
        low, high = min(caps), max(caps)
        for around, tangents in hole.runs():
            base, normal = hole.points[around], -_right(tangents)
            solid.grids.append(
                (np.stack([_lifted(base, low), _lifted(base, high)], 1), np.repeat(_lifted(normal, 0.0)[:, None], 2, axis=1))
            )
        solid.creases.extend(_ring(_lifted(hole.points, height)) for height in (low, high))
        solid.creases.extend(np.stack([[*point, low], [*point, high]]) for point in hole.points[hole.corners()])
    return solid


def sweep(path: Curve, section: Curve, scale: ArrayLike | None = None) -> Solid:
    """The solid swept by `section` along `path` without twist (parallel transport).

    Args:
        path: smooth Curve in space; closed for rings (then it must be plane).
        section: closed plane Curve, counter-clockwise, about the origin.
        scale: None or [points of the path]: size of the section along the path.

    Returns:
        Solid.
    """
    tangents = _unit(path.before + path.after)
    points, frames = path.points, _frames(tangents)
    scale = np.ones(len(points)) if scale is None else np.asarray(scale, float)
    if path.closed:
        points, frames, scale = (np.concatenate([a, a[:1]]) for a in (points, frames, scale))
    solid = Solid()
    surface = points[:, None] + scale[:, None, None] * np.einsum("kc,pcd->pkd", section.points, frames)
    for around, around_tangents in section.runs():
        normals = np.einsum("kc,pcd->pkd", _right(around_tangents), frames)
        solid.grids.append((surface[:, around], normals))
    solid.creases.extend(surface[:, corner] for corner in np.flatnonzero(section.corners()))
    if not path.closed:
        for end, sign in ((0, -1.0), (-1, 1.0)):
            solid.faces.append(([surface[end]], sign * tangents[end]))
            solid.creases.append(_ring(surface[end]))
    return solid


def _frames(tangents: np.ndarray) -> np.ndarray:
    """float64 [points, 2, 3]: the section's two axes along a path, each rotated as little as possible from the last."""
    across = np.cross(np.eye(3)[np.argmin(np.abs(tangents[0]))], tangents[0])
    first = []
    for tangent in tangents:
        across = across - (across @ tangent) * tangent
        across /= np.sqrt(across @ across)
        first.append(across)
    return np.stack([first, np.cross(tangents, first)], 1)
