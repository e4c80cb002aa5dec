"""Furniture: chairs, tables, stools, shelves, cabinets, racks."""

import numpy as np
from numpy.random import Generator

from fastpatent.synthetic.curves import circle, rounded
from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    around,
    bar,
    box,
    corners,
    knob,
    outline,
    petals,
    prism,
    rectangle,
    regular,
    ring,
    rod,
    row,
    torus,
    turned,
    upright,
)
from fastpatent.synthetic.solids import Solid


def _leg(rng: Generator, height: float, splay: float = 0.0) -> Solid:
    """A leg from z = 0 up to `height` above the origin; its foot is displaced along x and y by `splay`."""
    kind = rng.integers(4)
    foot = (splay, splay, 0)
    if kind == 0:
        return bar(foot, (0, 0, height), rng.uniform(0.06, 0.11))
    if kind == 1:
        return bar(foot, (0, 0, height), 0, rectangle(rng.uniform(0.12, 0.22), rng.uniform(0.12, 0.22)))
    if kind == 2:
        return rod([foot, (0, 0, height)], rng.uniform(0.08, 0.13), 0.0, scale=(0.45, 1.0))
    radius = rng.uniform(0.06, 0.1)
    wall = [(radius * (1.0 + 0.9 * (step % 2)), height * z) for step, z in enumerate(np.linspace(0, 1, 8))]
    return turned([(0, 0), *wall, (0, height)], [0, 0, *[SMOOTH] * 6, 0, 0])


def _seat(rng: Generator) -> tuple[Solid, float, float]:
    """(plate from z = 0, half width, half depth)."""
    wide, deep = rng.uniform(0.75, 1.0), rng.uniform(0.7, 0.95)
    kind = rng.integers(4)
    shape = (
        rectangle(2 * wide, 2 * deep, rng.choice([0.0, 0.2, 0.5])),
        circle(1.0).scaled(wide, deep),
        rounded([(-wide, -deep), (wide, -deep), (wide * 0.75, deep), (-wide * 0.75, deep)], rng.choice([0.0, 0.25])),
        petals(4, 1.0, 0.08).scaled(wide, deep),
    )[kind]
    inset = 0.86 if kind in (0, 2) else 0.62
    return prism(shape, rng.uniform(0.12, 0.3), chamfer=rng.choice([0.0, 0.05])), wide * inset * 0.85, deep * inset


def _back(rng: Generator, wide: float, height: float) -> list[Solid]:
    """The back of a chair, facing the front, standing on z = 0, centred on y = 0."""
    kind = rng.integers(4)
    if kind == 0:
        plate = rounded(
            [(-wide, 0), (wide, 0), (wide * rng.uniform(0.6, 1.15), height), (-wide * rng.uniform(0.6, 1.15), height)],
            [0, 0, 0.3, 0.3],
        )
        holes = {
            0: [],
            1: [circle(0.18).moved(0, height * 0.6)],
            2: [rectangle(wide, 0.22, 0.1).moved(0, height * 0.72)],
            3: [rectangle(0.14, height * 0.6, 0.06).moved(x, height * 0.5) for x in (-0.35, 0, 0.35)],
        }[int(rng.integers(4))]
        return [upright(prism(plate, 0.14, holes))]
    posts = [bar((side * wide, 0, -0.1), (side * wide, 0, height), 0.08) for side in (-1, 1)]
    if kind == 1:
        rails = [
            box(2 * wide, 0.1, rng.uniform(0.14, 0.24)).moved(0, 0, height * z)
            for z in np.linspace(0.25, 0.85, int(rng.integers(2, 5)))
        ]
        return posts + rails
    if kind == 2:
        spindles = row(bar((0, 0, -0.05), (0, 0, height * 0.92), 0.045), int(rng.integers(3, 8)), (2 * wide / 8, 0, 0))
        return posts + spindles + [box(2 * wide + 0.3, 0.18, 0.26, chamfer=0.05).moved(0, 0, height * 0.9)]
    hoop = rod([(-wide, 0, -0.1), (-wide * 1.1, 0, height), (wide * 1.1, 0, height), (wide, 0, -0.1)], 0.08, SMOOTH)
    return [hoop, *row(bar((0, 0, -0.05), (0, 0, height * 0.8), 0.04), int(rng.integers(2, 6)), (wide * 0.3, 0, 0))]


def chair(rng: Generator) -> list[Solid]:
    """A chair with back, legs or pedestal, arms on some."""
    seat, wide, deep = _seat(rng)
    high = rng.uniform(0.9, 1.5)
    solids = [seat.moved(0, 0, high)]
    if rng.random() < 0.7:
        solids += corners(_leg(rng, high + 0.06, rng.choice([0.0, 0.12, 0.3])), wide, deep)
        if rng.random() < 0.4:
            solids += [bar((-wide, y, high * 0.35), (wide, y, high * 0.35), 0.05) for y in (-deep, deep)]
    else:
        solids.append(bar((0, 0, 0.1), (0, 0, high + 0.05), rng.uniform(0.08, 0.15)))
        arms = int(rng.integers(3, 7))
        solids += around(rod([(0, 0, 0.25), (0.5, 0, 0.22), (0.9, 0, 0.08)], 0.08), arms)
        solids += around(torus(0.08, 0.05).turned("x", 90).moved(0.9, 0, 0.02), arms)
    top = seat.bounds()[1, 2] + high
    height = rng.uniform(0.8, 1.7)
    back = _back(rng, wide * 0.95, height)
    lean = -rng.uniform(0, 12)
    solids += [part.turned("x", lean).moved(0, deep * 0.92, top - 0.06) for part in back]
    if rng.random() < 0.4:
        level = rng.uniform(0.4, 0.6)
        for side in (-1, 1):
            x = side * (wide + 0.12)
            solids.append(
                rod(
                    [(x, -deep * 0.7, top - 0.15), (x, -deep * 0.7, top + level), (x, deep * 1.0, top + level)],
                    0.07,
                    rng.choice([0.1, 0.3]),
                )
            )
    return solids


def table(rng: Generator) -> list[Solid]:
    """A table, desk or stool with its underframe."""
    wide, deep = rng.uniform(0.9, 1.7), rng.uniform(0.7, 1.0)
    high = rng.uniform(0.8, 1.5)
    kind = rng.integers(3)
    if kind == 0:
        solids = [box(2 * wide, 2 * deep, rng.uniform(0.08, 0.25), rng.choice([0.0, 0.15, 0.4]), 0.03).moved(0, 0, high)]
        solids += corners(_leg(rng, high + 0.05, rng.choice([0.0, 0.15])), wide * 0.82, deep * 0.8)
    else:
        solids = [prism(outline(rng, rng.uniform(0.9, 1.3)), rng.uniform(0.08, 0.2), chamfer=0.03).moved(0, 0, high)]
        if kind == 1:
            legs = int(rng.integers(3, 7))
            solids += around(_leg(rng, high + 0.05, rng.choice([0.0, 0.25])).moved(0.42, 0.42, 0), legs, -45)
        else:
            wall = np.stack([rng.uniform(0.1, 0.4, 5), np.linspace(0, high + 0.02, 5)], 1)
            solids.append(turned([(0, 0), *wall, (0, high + 0.02)], [0, 0, SMOOTH, SMOOTH, SMOOTH, 0, 0]))
            solids.append(prism(outline(rng, 0.7), 0.12, chamfer=0.05))
    if rng.random() < 0.45:
        solids.append(
            prism(rectangle(1.2, 0.9, 0.2) if kind == 0 else circle(0.55), 0.07).moved(0, 0, high * rng.uniform(0.25, 0.5))
        )
    if kind == 0 and rng.random() < 0.5:
        drawers = int(rng.integers(1, 4))
        solids.append(box(wide * 1.6, deep * 1.4, 0.34).moved(0, 0, high - 0.3))
        front = [box(wide * 1.4 / drawers, 0.12, 0.24), knob(rng, 0.06).turned("x", 90).moved(0, -0.02, 0.12)]
        for part in front:
            solids += [copy.moved(0, -deep * 0.7, high - 0.26) for copy in row(part, drawers, (wide * 1.5 / drawers, 0, 0))]
    return solids


def cabinet(rng: Generator) -> list[Solid]:
    """A chest of drawers, cupboard or locker with fronts, knobs and feet."""
    wide, deep, tall = rng.uniform(0.8, 1.6), rng.uniform(0.6, 1.0), rng.uniform(1.2, 2.4)
    solids = [
        box(wide, deep, tall, rng.choice([0.0, 0.1])),
        box(wide + rng.uniform(0.05, 0.3), deep + 0.15, 0.1, chamfer=0.03).moved(0, 0, tall - 0.02),
    ]
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    cell_wide, cell_tall = wide / columns, (tall - 0.1) / rows
    style = rng.integers(3)
    grip = knob(rng, 0.06).turned("x", 90)
    for i in range(columns):
        for j in range(rows):
            x, z = (i - (columns - 1) / 2) * cell_wide, 0.05 + j * cell_tall
            solids.append(box(cell_wide * 0.86, 0.1, cell_tall * 0.84).moved(x, -deep / 2, z + cell_tall * 0.08))
            middle = (x, -deep / 2 - 0.04, z + cell_tall / 2)
            if style == 0:
                solids.append(grip.moved(*middle))
            elif style == 1:
                reach = cell_wide * 0.22
                solids.append(
                    rod(
                        [
                            (x - reach, -deep / 2, middle[2]),
                            (x - reach, -deep / 2 - 0.15, middle[2]),
                            (x + reach, -deep / 2 - 0.15, middle[2]),
                            (x + reach, -deep / 2, middle[2]),
                        ],
                        0.03,
                        0.06,
                    )
                )
            else:
                solids.append(
                    box(0.05, 0.1, cell_tall * 0.5).moved(x + cell_wide * 0.32, -deep / 2 - 0.06, z + cell_tall * 0.25)
                )
    solids += corners(_leg(rng, rng.uniform(0.2, 0.6), rng.choice([0.0, 0.1])).moved(0, 0, -0.18), wide * 0.4, deep * 0.38)
    return [solids[0], *solids[1:]]


def shelf(rng: Generator) -> list[Solid]:
    """Open shelving, a ladder rack or a wall rack with pegs."""
    wide, deep, tall = rng.uniform(1.0, 2.0), rng.uniform(0.35, 0.7), rng.uniform(1.4, 2.6)
    boards = int(rng.integers(2, 6))
    solids = [
        box(wide, deep, 0.08, rng.choice([0.0, 0.15])).moved(0, 0, tall * (0.08 + 0.84 * n / (boards - 1)))
        for n in range(boards)
    ]
    kind = rng.integers(4)
    if kind == 0:
        solids += [
            upright(
                prism(
                    rectangle(deep, tall, 0.1),
                    0.08,
                    [rectangle(deep * 0.4, tall * 0.22, 0.08).moved(0, tall * at) for at in (-0.25, 0.25)],
                )
            )
            .turned("z", 90)
            .moved(side * wide / 2, 0, tall / 2)
            for side in (-1, 1)
        ]
    elif kind == 1:
        solids += corners(bar((0, 0, 0), (0, 0, tall * 1.05), 0.05), wide * 0.45, deep * 0.4)
    elif kind == 2:
        for side in (-1, 1):
            solids.append(
                rod(
                    [
                        (side * wide * 0.42, -deep * 0.4, 0),
                        (side * wide * 0.42, -deep * 0.4, tall * 1.2),
                        (side * wide * 0.42, deep * 0.4, tall * 1.2),
                        (side * wide * 0.42, deep * 0.4, 0),
                    ],
                    0.05,
                    0.25,
                )
            )
    else:
        solids.append(box(wide * 0.95, 0.08, tall).moved(0, deep * 0.45, 0))
        solids += row(box(0.07, deep * 0.9, tall * 0.96).moved(0, 0, 0.03), int(rng.integers(2, 5)), (wide / 4, 0, 0))
    if rng.random() < 0.4:
        hook = rod([(0, 0, 0), (0, -0.25, -0.05), (0, -0.3, 0.2)], 0.035)
        solids += [copy.moved(0, -deep * 0.5, tall * 0.08) for copy in row(hook, int(rng.integers(2, 6)), (wide / 6, 0, 0))]
    return solids


def coat_stand(rng: Generator) -> list[Solid]:
    """A pole on a foot with hooks around it, or a stand with rings."""
    tall = rng.uniform(2.2, 3.4)
    solids = [
        bar(
            (0, 0, 0),
            (0, 0, tall),
            rng.uniform(0.07, 0.13),
            regular(int(rng.integers(4, 9)), 0.11) if rng.random() < 0.4 else None,
        )
    ]
    if rng.random() < 0.5:
        solids.append(prism(outline(rng, rng.uniform(0.6, 0.9)), 0.12, chamfer=0.04))
    else:
        solids += around(
            rod([(0, 0, 0.6), (0.25, 0, 0.55), (0.8, 0, 0.0)], 0.07, rng.choice([0.0, SMOOTH]) or SMOOTH),
            int(rng.integers(3, 6)),
        )
    hook = rod([(0, 0, 0), (rng.uniform(0.4, 0.6), 0, -0.1), (0.6, 0, rng.uniform(0.25, 0.6))], 0.06, SMOOTH)
    count = int(rng.integers(3, 7))
    for level, size in zip((0.94, 0.72, 0.5), (1.0, 0.8, 1.1)):
        if level == 0.94 or rng.random() < 0.45:
            solids += around(hook.scaled(size, size, size).moved(0, 0, tall * level), count, 180 / count * (level < 0.9))
    if rng.random() < 0.4:
        solids.append(ring(0.5, 0.1, 0.08).moved(0, 0, tall * 0.3))
        solids += around(bar((0, 0, tall * 0.3 + 0.05), (0.46, 0, tall * 0.3 + 0.05), 0.035), 4)
    solids.append(knob(rng, 0.18).moved(0, 0, tall - 0.05))
    return solids


FAMILIES = (chair, table, cabinet, shelf, coat_stand)
