"""Parts that designs have in common: plates, posts, tubes, feet, bolts, and their outlines.

Sizes are in the unit of the design, about a third of an object; z points up and y away from the front.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from fastpatent.synthetic.curves import Curve, circle, polar, rounded
from fastpatent.synthetic.solids import Solid, loft, sweep

SMOOTH = np.inf


def rectangle(width: float, depth: float, radius: float = 0.0) -> Curve:
    """Outline of a rectangle about the origin with rounded corners."""
    x, y = width / 2, depth / 2
    return rounded([(-x, -y), (x, -y), (x, y), (-x, y)], radius)


def edge_along(shape: Curve, angle: float) -> float:
    """Distance from the origin to an outline around it, in the direction `angle` in degrees."""
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    start, end = shape.points, np.roll(shape.points, -1, axis=0)
    side = start @ [-direction[1], direction[0]], end @ [-direction[1], direction[0]]
    crossed = (side[0] > 0) != (side[1] > 0)
    part = (side[0][crossed] / (side[0] - side[1])[crossed])[:, None]
    return float(((1 - part) * start[crossed] + part * end[crossed]).dot(direction).max())


def regular(sides: int, radius: float = 1.0, rounding: float = 0.0, turn: float = 0.0) -> Curve:
    """Outline of a regular polygon, rotated by `turn` sides."""
    angle = (np.arange(sides) + turn + 0.5) * 2 * np.pi / sides - np.pi / 2
    return rounded(radius * np.stack([np.cos(angle), np.sin(angle)], 1), rounding)


def star(points: int, radius: float, inner: float, rounding: float = 0.0) -> Curve:
    """Outline of a star with alternating radii."""
    angle = np.arange(2 * points) * np.pi / points
    reach = np.where(np.arange(2 * points) % 2, inner, radius)[:, None]
    return rounded(reach * np.stack([np.cos(angle), np.sin(angle)], 1), rounding)


def gear(teeth: int, radius: float, depth: float, rounding: float = 0.0, land: float = 0.28) -> Curve:
    """Outline of a gear with trapezoid teeth; `land` is the tip's share of half a tooth's pitch."""
    pitch = 2 * np.pi / teeth
    corners = []
    for tooth in range(teeth):
        middle = tooth * pitch
        for offset, reach in (
            (-0.5 + land / 2, radius - depth),
            (-land / 2 - 0.04, radius),
            (land / 2 + 0.04, radius),
            (0.5 - land / 2, radius - depth),
        ):
            corners.append((reach * np.cos(middle + offset * pitch), reach * np.sin(middle + offset * pitch)))
    return rounded(corners, rounding)


def petals(count: int, radius: float, wave: float) -> Curve:
    """Outline of a wavy disc: r = radius (1 + wave cos(count angle))."""
    return polar(lambda angle: radius * (1 + wave * np.cos(count * angle)), count=max(72, 12 * count))


def outline(rng: Generator, radius: float = 1.0) -> Curve:
    """A random closed outline of about this radius, star-shaped about the origin."""
    kind = rng.integers(7)
    if kind == 0:
        return circle(radius)
    if kind == 1:
        return rectangle(2 * radius, 2 * radius * rng.uniform(0.6, 1.0), radius * rng.choice([0.0, 0.2, 0.45]))
    if kind == 2:
        return regular(int(rng.integers(3, 9)), radius * 1.1, radius * rng.choice([0.0, 0.0, 0.25]))
    if kind == 3:
        return petals(int(rng.integers(3, 10)), radius * 0.95, rng.uniform(0.06, 0.2))
    if kind == 4:
        return star(int(rng.integers(4, 9)), radius * 1.1, radius * rng.uniform(0.55, 0.8), rng.choice([0.0, 0.12]) * radius)
    if kind == 5:
        return circle(radius).scaled(1.0, rng.uniform(0.55, 0.85))
    return gear(int(rng.integers(8, 18)), radius * 1.05, radius * rng.uniform(0.1, 0.22))


def smooth_wall(rng: Generator, height: float, low: float = 0.5, high: float = 1.0, steps: int | None = None) -> np.ndarray:
    """Random control points (radius, height) of a smooth wall."""
    steps = steps or int(rng.integers(3, 6))
    return np.stack([rng.uniform(low, high, steps), np.linspace(0, height, steps)], 1)


def vessel_section(rng: Generator) -> Curve | None:
    """A random horizontal section of a vessel, of radius 1; None for a circle."""
    return [
        None,
        regular(int(rng.integers(4, 9)), 1.0, rng.choice([0.0, 0.25])),
        petals(int(rng.integers(5, 14)), 1.0, 0.05),
    ][rng.choice(3, p=[0.62, 0.24, 0.14])]


def prism(shape: Curve, height: float, holes: Sequence[Curve] = (), chamfer: float = 0.0, top: float = 1.0) -> Solid:
    """An upright prism from z = 0; its upper edge is chamfered, its upper end `top` times as wide as its lower end."""
    reach = np.linalg.norm(shape.points, axis=1).max()
    points, inset = [(0, 0), (1, 0), (top, height), (0, height)], min(chamfer / reach, 0.6 * top)
    if chamfer:
        points[2:3] = [(top, height - chamfer), (top - inset, height)]
    return loft(shape, rounded(points, 0, closed=False), holes)


def box(
    width: float,
    depth: float,
    height: float,
    radius: float = 0.0,
    chamfer: float = 0.0,
    holes: Sequence[Curve] = (),
) -> Solid:
    """A box standing on z = 0 with rounded upright edges."""
    return prism(rectangle(width, depth, radius), height, holes, chamfer)


def upright(solid: Solid) -> Solid:
    """Stand up a plate in the x-y plane: y becomes z, and the thickness extends back from the front y = 0."""
    return solid.turned("x", 90).scaled(1, -1, 1)


def turned(points: ArrayLike, radii: ArrayLike = 0.0, shape: Curve | None = None) -> Solid:
    """Surface of revolution, or loft of the section `shape`, of a profile of (radius, height) from and to radius 0."""
    return loft(circle() if shape is None else shape, rounded(points, radii, closed=False))


def ring(radius: float, height: float, width: float, shape: Curve | None = None, rounding: float = 0.0) -> Solid:
    """A ring with a rectangular section: outer `radius`, radial `width`, from z = 0."""
    inner = radius - width
    return loft(
        circle() if shape is None else shape, rounded([(inner, 0), (radius, 0), (radius, height), (inner, height)], rounding)
    )


def torus(radius: float, thickness: float) -> Solid:
    """A torus of tube radius `thickness` about z."""
    return loft(circle(), circle(thickness, 20).moved(radius, 0.0))


def rod(
    points: ArrayLike,
    radius: float,
    rounding: ArrayLike = SMOOTH,
    section: Curve | None = None,
    scale: Sequence[float] | None = None,
) -> Solid:
    """A bent rod along `points`, with bends of radius `rounding`; see `curves.rounded`."""
    path = rounded(points, rounding, closed=False)
    sizes = None if scale is None else np.interp(np.linspace(0, 1, len(path.points)), np.linspace(0, 1, len(scale)), scale)
    return sweep(path, circle(radius, 18) if section is None else section, sizes)


def bar(start: Sequence[float], end: Sequence[float], radius: float, section: Curve | None = None) -> Solid:
    """A straight rod."""
    return rod([start, end], radius, 0.0, section)


def ball(radius: float, flatten: float = 1.0) -> Solid:
    """An ellipsoid about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    points = np.stack([radius * np.cos(angle), radius * flatten * np.sin(angle)], 1)
    points[[0, -1], 0] = 0.0
    return turned(points, [0] + [radius * 4] * 15 + [0])


def knob(rng: Generator, radius: float) -> Solid:
    """A random small knob on z = 0."""
    kind = rng.integers(4)
    if kind == 0:
        return turned(
            [
                (0, 0),
                (0.5 * radius, 0),
                (0.5 * radius, 0.5 * radius),
                (radius, 0.9 * radius),
                (radius, 1.5 * radius),
                (0, 1.8 * radius),
            ],
            [0, 0, 0.3 * radius, 0.4 * radius, 0.6 * radius, 0],
        )
    if kind == 1:
        return ball(radius).moved(0, 0, 0.75 * radius)
    if kind == 2:
        return prism(gear(14, radius, 0.14 * radius), radius, chamfer=0.0)
    return prism(circle(radius), 0.8 * radius, chamfer=0.25 * radius)


def around(solid: Solid, count: int, start: float = 0.0) -> list[Solid]:
    """`count` copies of a solid, evenly spaced about z from `start` degrees."""
    return [solid.turned("z", start + 360.0 * number / count) for number in range(count)]


def row(solid: Solid, count: int, step: ArrayLike) -> list[Solid]:
    """`count` copies of a solid in a row about the origin, at distances `step` = (x, y, z)."""
    step = np.asarray(step, float)
    return [solid.moved(*(step * (number - (count - 1) / 2))) for number in range(count)]


def corners(solid: Solid, x: float, y: float) -> list[Solid]:
    """Four copies mirrored to (+-x, +-y)."""
    return [solid.scaled(i, j, 1).moved(i * x, j * y, 0) for i in (1, -1) for j in (1, -1)]


def broken(solids: list[Solid]) -> list[Solid]:
    """The same solids in broken lines."""
    return [replace(solid, broken=True) for solid in solids]
