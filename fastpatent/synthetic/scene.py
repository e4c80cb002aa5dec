"""All solids of a design in flat arrays, built once, so that each view takes a few array operations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.synthetic.solids import Solid

# Smallest distance of shading lines on the object; smallest turn, in radians, of a surface that gets them.
RULING_GAP = 0.05
LEAST_BEND = 1.2


class Polylines(NamedTuple):
    """Many polylines in one array.

    Attributes:
        points: float64 [points, 3].
        line: int64 [points]: number of the polyline of each point, ascending.
        solid: int64 [lines]: the solid each polyline lies on.
    """

    points: np.ndarray
    line: np.ndarray
    solid: np.ndarray

    @classmethod
    def joined(cls, lines: Sequence[np.ndarray], solids: Sequence[int]) -> "Polylines":
        """Concatenate polylines float64 [points, 3], given the solid of each."""
        lengths = [len(line) for line in lines]
        return cls(
            np.concatenate([np.zeros((0, 3)), *lines]), np.repeat(np.arange(len(lines)), lengths), np.array(solids, np.int64)
        )


class Scene:
    """The geometry of a design, ready for drawing.

    Attributes:
        vertices: float64 [vertices, 3].
        edges: int64 [edges, 2]: sides of all polygons, as vertex numbers.
        edge_face: int64 [edges]: the polygon of each side.
        face_normal, face_point: float64 [faces, 3].
        face_solid: int64 [faces]: the solid of each polygon.
        face_flat: bool [faces]: whether it is a planar face, not a cell of a curved surface.
        cells: int64 [cells, 4]: corners of the cells of curved surfaces, in cyclic order.
        vertex_normal: float64 [vertices, 3]: normals of the curved surfaces; 0 elsewhere.
        cell_solid: int64 [cells]: the solid of each cell.
        creases: Polylines.
        rulings: Polylines along the curved surfaces, for shading.
        ruling_normals: float64, for the points of `rulings`; 0 where rulings are too close together to be drawn.
        broken: bool [solids]: whether the solid is drawn in broken lines.
        radius: radius of the ball about the origin that contains everything.
    """

    def __init__(self, solids: list[Solid], rulings: int = 0) -> None:
        """Args: solids: list of Solid; rulings: number of shading lines per full turn of a curved surface (0 for none)."""
        bounds = np.stack([solid.bounds() for solid in solids])
        centre = (bounds[:, 0].min(0) + bounds[:, 1].max(0)) / 2
        solids = [solid.moved(*-centre) for solid in solids]
        self.broken = np.array([solid.broken for solid in solids])
        self.creases = Polylines.joined(
            [line for solid in solids for line in solid.creases],
            [number for number, solid in enumerate(solids) for _ in solid.creases],
        )
        found = (
            [
                (*ruling, number)
                for number, solid in enumerate(solids)
                for points, normals in solid.grids
                for ruling in _rulings(points, normals, rulings)
            ]
            if rulings
            else []
        )
        self.rulings = Polylines.joined([points for points, _, _ in found], [number for _, _, number in found])
        self.ruling_normals = np.concatenate([np.zeros((0, 3)), *(normals for _, normals, _ in found)])
        self._lay(solids)
        self.radius = float(np.linalg.norm(self.vertices, axis=1).max())

    def _lay(self, solids: list[Solid]) -> None:
        vertices, normals, edges, edge_face = [], [], [], []
        face_normal, face_point, face_solid, face_flat, cells, cell_solid = [], [], [], [], [], []
        count = faces = 0
        for number, solid in enumerate(solids):
            for loops, normal in solid.faces:
                for loop in loops:
                    index = count + np.arange(len(loop))
                    edges.append(np.stack([index, np.roll(index, -1)], 1))
                    edge_face.append(np.full(len(loop), faces))
                    vertices.append(loop)
                    normals.append(np.zeros_like(loop))
                    count += len(loop)
                face_normal.append(normal[None])
                face_point.append(loops[0][:1])
                face_solid.append([number])
                face_flat.append([True])
                faces += 1
            for points, grid_normals in solid.grids:
                index = count + np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
                corner = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
                flat_points, flat_normals = points.reshape(-1, 3), grid_normals.reshape(-1, 3)
                local = corner - count
                across = np.cross(
                    flat_points[local[:, 2]] - flat_points[local[:, 0]], flat_points[local[:, 3]] - flat_points[local[:, 1]]
                )
                outward = flat_normals[local].sum(1)
                face_normal.append(across * np.sign((across * outward).sum(1, keepdims=True)))
                face_point.append(flat_points[local].mean(1))
                face_solid.append(np.full(len(corner), number))
                face_flat.append(np.full(len(corner), len(points) == 2))
                edges.append(np.stack([corner, np.roll(corner, -1, axis=1)], -1).reshape(-1, 2))
                edge_face.append(np.repeat(faces + np.arange(len(corner)), 4))
                cells.append(corner)
                cell_solid.append(np.full(len(corner), number))
                vertices.append(flat_points)
                normals.append(flat_normals)
                count += len(flat_points)
                faces += len(corner)
        self.vertices, self.vertex_normal = np.concatenate(vertices), np.concatenate(normals)
        self.edges, self.edge_face = np.concatenate(edges), np.concatenate(edge_face)
        self.face_normal, self.face_point = np.concatenate(face_normal), np.concatenate(face_point)
        self.face_solid, self.face_flat = np.concatenate(face_solid), np.concatenate(face_flat)
        self.cells = np.concatenate(cells) if cells else np.zeros((0, 4), np.int64)
        self.cell_solid = np.concatenate(cell_solid) if cells else np.zeros(0, np.int64)


def _rulings(points: np.ndarray, normals: np.ndarray, around: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Lines along a curved surface at equal turns of its normal, about `around` per full turn, none on flat parts."""
    bends = [
        np.arccos(
            np.clip(
                (
                    np.take(normals, range(1, normals.shape[axis]), axis)
                    * np.take(normals, range(normals.shape[axis] - 1), axis)
                ).sum(-1),
                -1,
                1,
            )
        ).mean(1 - axis)
        for axis in (0, 1)
    ]
    # Shading runs along the direction of less curvature, as the rulings of a cylinder.
    if bends[1].sum() > bends[0].sum():
        points, normals, bends = points.swapaxes(0, 1), normals.swapaxes(0, 1), bends[::-1]
    total = bends[0].sum()
    length = np.linalg.norm(np.diff(points, axis=0), axis=-1).sum(0).max()
    steps = int(min(around * total / (2 * np.pi), length / RULING_GAP))
    if total < LEAST_BEND or steps < 2:
        return []
    turned = np.concatenate([[0.0], np.cumsum(bends[0] + 1e-12)])
    place = np.interp((np.arange(steps) + 0.5) / steps * turned[-1], turned, np.arange(len(turned)))
    low = np.minimum(place.astype(int), len(points) - 2)
    part = (place - low)[:, None, None]
    points, normals = [(1 - part) * field[low] + part * field[low + 1] for field in (points, normals)]
    gap = np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=-1)
    return list(zip(points, normals * (gap > 0.45 * gap.max())[..., None]))
