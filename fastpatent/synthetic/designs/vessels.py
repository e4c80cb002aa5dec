"""Vessels: cups, bottles, teapots, jars, goblets."""

import numpy as np
from numpy.random import Generator

from fastpatent.synthetic.curves import Curve, circle
from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    around,
    ball,
    bar,
    edge_along,
    knob,
    outline,
    prism,
    rectangle,
    ring,
    rod,
    smooth_wall,
    torus,
    turned,
    vessel_section,
)
from fastpatent.synthetic.solids import Solid


def _hollow(wall: np.ndarray, thickness: float, shape: Curve | None, floor: float = 0.15) -> Solid:
    """An open vessel with this outer wall."""
    inner = wall[::-1] - [thickness, 0]
    inner = inner[inner[:, 1] > wall[0, 1] + floor]
    points = [(0, wall[0, 1]), *wall, *inner, (0, wall[0, 1] + floor)]
    radii = [0, 0, *[SMOOTH] * (len(wall) - 2), 0, 0, *[SMOOTH] * (len(inner) - 1), 0]
    return turned(points, radii, shape)


def cup(rng: Generator) -> list[Solid]:
    """A mug, jug or beaker with one or two handles, a foot and bands."""
    height = rng.uniform(1.2, 2.6)
    wall = smooth_wall(rng, height, 0.65, 1.05)
    shape = vessel_section(rng)
    solids = [_hollow(wall, 0.09, shape)]
    top, low = height * rng.uniform(0.72, 0.9), height * rng.uniform(0.12, 0.4)
    reach = rng.uniform(0.45, 0.9)
    bulge = rng.uniform(-0.1, 0.25)
    bend = rng.choice([SMOOTH, 0.25])
    ear = rng.random() < 0.3
    section = [None, rectangle(0.12, 0.3, 0.05), circle(0.1, 18).scaled(1, 1.9)][rng.integers(3)]
    thick = rng.uniform(0.07, 0.13)
    for angle in (0, 180)[: rng.choice([1, 1, 1, 2])]:
        edge = 1.0 if shape is None else edge_along(shape, angle)
        # The handle ends inside the wall, which is 0.09 thick.
        at_top, at_low = (np.interp(z, wall[:, 1], wall[:, 0]) * edge - 0.06 for z in (top, low))
        out = max(at_top, at_low) + reach
        ends = [(at_top, 0, top), (out, 0, top + bulge), (out, 0, low), (at_low, 0, low)]
        if ear:
            ends[2:3] = [(out * 1.05, 0, (top + low) / 2), (out * 0.8, 0, low)]
        solids.append(rod(ends, thick, bend, section).turned("z", angle))
    if rng.random() < 0.5:
        solids.append(prism(outline(rng, wall[0, 0] * 1.15), 0.16, chamfer=0.04).moved(0, 0, -0.1))
    if rng.random() < 0.35:
        solids += [
            torus(np.interp(z, wall[:, 1], wall[:, 0]) * 0.99, 0.06).moved(0, 0, z) for z in (height * 0.5, height * 0.62)
        ]
    return solids


def bottle(rng: Generator) -> list[Solid]:
    """A flask with shoulders, neck and stopper; sprayers and grips on some."""
    height, neck = rng.uniform(1.6, 3.0), rng.uniform(0.2, 0.36)
    radius = rng.uniform(0.55, 0.95)
    lip = height + rng.uniform(0.3, 0.6)
    shape = vessel_section(rng)
    points = [
        (0, 0),
        (radius, 0),
        (radius * rng.uniform(0.6, 1.05), height * rng.uniform(0.3, 0.5)),
        (radius * rng.uniform(0.85, 1.1), height * 0.75),
        (neck, height),
        (neck, lip),
        (0, lip),
    ]
    solids = [turned(points, [0, rng.choice([0.05, 0.25]), SMOOTH, SMOOTH, rng.choice([0.0, 0.2]), 0, 0], shape)]
    solids.append(ring(neck * 1.25, 0.1, neck * 0.5).moved(0, 0, lip - 0.22))
    kind = rng.integers(4)
    if kind == 0:
        solids.append(prism(outline(rng, neck * 1.5), rng.uniform(0.25, 0.6), chamfer=0.06).moved(0, 0, lip - 0.06))
    elif kind == 1:
        solids.append(bar((0, 0, lip - 0.1), (0, 0, lip + 0.5), neck * 0.35))
        solids.append(rod([(-0.25, 0, lip + 0.5), (0.3, 0, lip + 0.55), (0.85, 0, lip + 0.3)], 0.12))
        solids.append(bar((0.2, 0, lip + 0.45), (0.5, 0, lip - 0.05), 0.05))
    elif kind == 2:
        solids.append(ball(neck * rng.uniform(1.3, 2.0), rng.uniform(0.7, 1.5)).moved(0, 0, lip + neck * 0.9))
    else:
        solids.append(
            rod(
                [
                    (neck * 0.8, 0, lip - 0.1),
                    (neck * 3.4, 0, lip - 0.1),
                    (radius * 1.8, 0, height * 0.5),
                    (radius * 0.75, 0, height * 0.45),
                ],
                0.09,
            )
        )
    if rng.random() < 0.4:
        solids += [
            torus(radius * 0.93, 0.09).moved(0, 0, height * z) for z in np.linspace(0.12, 0.28, int(rng.integers(2, 4)))
        ]
    return solids


def teapot(rng: Generator) -> list[Solid]:
    """A pot with spout, handle (at the side or over the top) and lid."""
    height = rng.uniform(0.9, 1.5)
    shape = vessel_section(rng)
    wide = rng.uniform(0.95, 1.25)
    points = [
        (0, 0),
        (rng.uniform(0.5, 0.9), 0),
        (wide, height * rng.uniform(0.35, 0.7)),
        (rng.uniform(0.4, 0.7), height),
        (0, height),
    ]
    solids = [turned(points, [0, 0.1, rng.choice([SMOOTH, 0.25]), 0, 0], shape)]
    rise = height * rng.uniform(0.8, 1.25)
    solids.append(
        rod(
            [
                (wide * 0.6, 0, height * 0.35),
                (wide * 1.35, 0, height * 0.45),
                (wide * 1.4, 0, rise),
                (wide * rng.uniform(1.7, 2.0), 0, rise + 0.1),
            ],
            0.2,
            scale=(1.25, 0.8, 0.55),
        )
    )
    if rng.random() < 0.5:
        solids.append(
            rod(
                [
                    (-wide * 0.6, 0, height * 0.85),
                    (-wide * 1.9, 0, height),
                    (-wide * 1.7, 0, height * 0.2),
                    (-wide * 0.7, 0, height * 0.3),
                ],
                0.1,
                rng.choice([SMOOTH, 0.3]),
            )
        )
    else:
        top = height + rng.uniform(0.8, 1.3)
        solids.append(
            rod(
                [
                    (-wide * 0.7, 0, height * 0.7),
                    (-wide * 0.95, 0, top),
                    (wide * 0.95, 0, top),
                    (wide * 0.7, 0, height * 0.7),
                ],
                0.08,
                rng.choice([SMOOTH, 0.4]),
            )
        )
    solids.append(turned([(0, 0), (0.55, 0), (0.5, 0.12), (0, 0.3)], [0, 0, 0.1, 0], shape).moved(0, 0, height - 0.06))
    solids.append(knob(rng, rng.uniform(0.12, 0.2)).moved(0, 0, height + 0.2))
    if rng.random() < 0.5:
        solids += around(prism(circle(0.12), 0.3).moved(0.5, 0, -0.22), int(rng.integers(3, 5)))
    return solids


def jar(rng: Generator) -> list[Solid]:
    """A lidded jar or canister on feet or a stand, with ears or ribs."""
    height = rng.uniform(1.0, 2.4)
    shape = outline(rng, rng.uniform(0.7, 0.95))
    solids = [prism(shape, height, top=rng.choice([1.0, 0.85, 1.15]), chamfer=0.08)]
    lid = prism(outline(rng, rng.uniform(0.75, 1.0)), rng.uniform(0.12, 0.4), chamfer=0.07, top=rng.choice([1.0, 0.7]))
    solids.append(lid.moved(0, 0, height - 0.05))
    top = height - 0.05 + np.ptp(lid.bounds()[:, 2])
    if rng.random() < 0.6:
        solids.append(knob(rng, rng.uniform(0.16, 0.3)).moved(0, 0, top - 0.05))
    else:
        wide = rng.uniform(0.25, 0.5)
        solids.append(
            rod([(-wide, 0, top - 0.1), (-wide, 0, top + 0.35), (wide, 0, top + 0.35), (wide, 0, top - 0.1)], 0.07, 0.2)
        )
    ears = int(rng.integers(0, 4))
    if ears:
        ear = rod(
            [(0.45, 0, height * 0.75), (1.25, 0, height * 0.8), (1.25, 0, height * 0.5), (0.45, 0, height * 0.5)],
            0.08,
            SMOOTH,
        )
        solids += around(ear, ears)
    if rng.random() < 0.6:
        feet = int(rng.integers(3, 6))
        solids += around(turned([(0, 0), (0.1, 0), (0.18, 0.3), (0, 0.3)], [0, 0, 0.1, 0]).moved(0.5, 0, -0.25), feet)
    return solids


def goblet(rng: Generator) -> list[Solid]:
    """A stemmed bowl or candle holder, single or with arms."""
    height = rng.uniform(0.9, 1.6)
    bowl = smooth_wall(rng, rng.uniform(0.6, 1.3), 0.4, 0.9, 3)
    bowl[0, 0] = 0.18
    solids = [prism(outline(rng, rng.uniform(0.5, 0.8)), 0.12, chamfer=0.05)]
    stem = smooth_wall(rng, height, 0.08, 0.3, int(rng.integers(4, 8)))
    solids.append(turned([(0, 0), *stem, (0, height)], [0, 0, *[rng.choice([0.0, SMOOTH])] * (len(stem) - 2), 0, 0]))
    dish = _hollow(bowl, 0.07, vessel_section(rng), 0.2)
    arms = int(rng.choice([0, 0, 2, 3, 4]))
    if arms:
        arm = rod([(0, 0, height * 0.5), (0.9, 0, height * 0.3), (1.1, 0, height * 0.9)], 0.08)
        small = dish.scaled(0.6, 0.6, 0.6).moved(1.1, 0, height * 0.85)
        solids += around(arm, arms) + around(small, arms)
    solids.append(dish.moved(0, 0, height - 0.05))
    return solids


FAMILIES = (cup, bottle, teapot, jar, goblet)
