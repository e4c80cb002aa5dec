"""Plane and space curves with exact one-sided tangents: outlines, profiles and paths of the sample's solids."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

ARC_STEP = np.pi / 18
SHARP_COSINE = np.cos(np.radians(6))


class Curve(NamedTuple):
    """A polyline with tangents, which distinguish corners from smooth points.

    Attributes:
        points: float64 [points, 2 or 3].
        before: float64, same shape; unit tangent on arrival at each point.
        after: float64, same shape; unit tangent on departure. A point is a corner if the two differ.
        closed: whether the last point joins the first (which is not repeated).
    """

    points: np.ndarray
    before: np.ndarray
    after: np.ndarray
    closed: bool

    def corners(self) -> np.ndarray:
        """bool [points]: where the direction is discontinuous."""
        return (self.before * self.after).sum(1) < SHARP_COSINE

    def runs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """List of (indices, tangents): the smooth pieces between corners, both ends included.

        The tangents at the ends are one-sided, so a piece does not depend on the corners it ends at.
        """
        count = len(self.points)
        corners = np.flatnonzero(self.corners())
        if self.closed:
            if not len(corners):
                pieces = [np.arange(count + 1) % count]
            else:
                ends = np.append(corners[1:], corners[0] + count)
                pieces = [np.arange(start, end + 1) % count for start, end in zip(corners, ends)]
        else:
            stops = np.unique(np.concatenate([[0], corners, [count - 1]]))
            pieces = [np.arange(start, end + 1) for start, end in zip(stops[:-1], stops[1:])]
        return [(piece, np.vstack([self.after[piece[:-1]], self.before[piece[-1:]]])) for piece in pieces]

    def scaled(self, *factors: float) -> "Curve":
        """The curve scaled along its axes by positive factors."""
        scale = np.asarray(factors, float)
        return Curve(self.points * scale, _unit(self.before * scale), _unit(self.after * scale), self.closed)

    def moved(self, *offset: float) -> "Curve":
        """The curve translated by `offset`."""
        return self._replace(points=self.points + np.asarray(offset, float))

    def turned(self, degrees: float) -> "Curve":
        """The plane curve rotated counter-clockwise about the origin."""
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        matrix = np.array([[cosine, sine], [-sine, cosine]])
        return Curve(self.points @ matrix, self.before @ matrix, self.after @ matrix, self.closed)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def rounded(points: ArrayLike, radii: ArrayLike = 0.0, closed: bool = True) -> Curve:
    """A polyline whose corners are replaced by tangent arcs.

    Args:
        points: [corners, 2 or 3]; the closed outline of a solid goes counter-clockwise.
        radii: one radius, or one per corner; 0 keeps the corner sharp, `inf` gives the largest arc that its edges allow.
        closed: whether the last point joins the first; the ends of an open curve do not move.

    Returns:
        Curve.
    """
    points = np.asarray(points, float)
    radii = np.broadcast_to(np.asarray(radii, float), len(points))
    edges = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(edges, axis=1)
    directions = _unit(edges)
    out_points, out_before, out_after = [], [], []
    for i, point in enumerate(points):
        arriving, leaving = directions[i - 1], directions[i]
        if not closed and i == 0:
            arriving = leaving
        elif not closed and i == len(points) - 1:
            leaving = arriving
        turn = np.arccos(np.clip(arriving @ leaving, -1.0, 1.0))
        if radii[i] <= 0 or turn < 1e-6:
            out_points.append(point[None])
            out_before.append(arriving[None])
            out_after.append(leaving[None])
            continue
        room = min(
            lengths[i - 1] * (1.0 if not closed and i == 1 else 0.5),
            lengths[i] * (1.0 if not closed and i == len(points) - 2 else 0.5),
        )
        cut = min(radii[i] * np.tan(turn / 2), room)
        radius = cut / np.tan(turn / 2)
        angle = np.linspace(0, turn, max(4, int(np.ceil(turn / ARC_STEP)) + 1))[:, None]
        inward = (leaving - np.cos(turn) * arriving) / np.sin(turn)
        out_points.append(point - cut * arriving + radius * (np.sin(angle) * arriving + (1 - np.cos(angle)) * inward))
        tangents = np.cos(angle) * arriving + np.sin(angle) * inward
        out_before.append(tangents)
        out_after.append(tangents)
    points, before, after = map(np.concatenate, (out_points, out_before, out_after))
    # Neighbouring arcs that use up their common edge share an end point, which must occur only once.
    apart = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > 1e-7
    if not closed:
        apart[0] = True
    return Curve(points[apart], before[apart], after[apart], closed)


def circle(radius: float = 1.0, count: int = 40) -> Curve:
    """A counter-clockwise circle about the origin."""
    angle = np.arange(count) * (2 * np.pi / count)
    tangents = np.stack([-np.sin(angle), np.cos(angle)], 1)
    return Curve(radius * np.stack([np.cos(angle), np.sin(angle)], 1), tangents, tangents, True)


def polar(radius: Callable[[np.ndarray], np.ndarray], count: int = 72) -> Curve:
    """The smooth closed outline r(angle) for a positive periodic function `radius` of float64 [count]."""
    angle = np.arange(count) * (2 * np.pi / count)
    points = radius(angle)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    tangents = _unit(np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0))
    return Curve(points, tangents, tangents, True)


def helix(radius: float, pitch: float, turns: float, per_turn: int = 24) -> Curve:
    """A helix about the third axis, from height 0 upwards."""
    angle = np.linspace(0, 2 * np.pi * turns, int(per_turn * turns) + 1)
    rise = pitch / (2 * np.pi)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), rise * angle], 1)
    tangents = _unit(np.stack([-radius * np.sin(angle), radius * np.cos(angle), np.full_like(angle, rise)], 1))
    return Curve(points, tangents, tangents, False)
