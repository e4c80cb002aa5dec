"""Toys, small buildings, weights and ornaments."""

import numpy as np
from numpy.random import Generator

from fastpatent.synthetic.curves import circle, rounded
from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    around,
    ball,
    bar,
    box,
    corners,
    gear,
    knob,
    outline,
    prism,
    rectangle,
    regular,
    ring,
    rod,
    row,
    star,
    torus,
    turned,
    upright,
)
from fastpatent.synthetic.solids import Solid


def vehicle(rng: Generator) -> list[Solid]:
    """A toy car, truck or tram: a side profile with windows, wheels, lamps and a load."""
    long, deep = rng.uniform(1.0, 1.5), rng.uniform(0.7, 1.0)
    low, high = rng.uniform(0.4, 0.6), rng.uniform(0.9, 1.4)
    nose, tail = rng.uniform(0.2, 0.8), rng.uniform(0.0, 0.7)
    body = [
        (-long, 0),
        (long, 0),
        (long, low),
        (long - nose, low + 0.05),
        (long - nose - rng.uniform(0.05, 0.35), high),
        (-long + tail + rng.uniform(0, 0.3), high),
        (-long + tail, low + 0.05),
        (-long, low),
    ]
    if tail < 0.15:
        body = [*body[:5], (-long, high)]
    start, end = body[5][0], body[4][0]
    windows, room = int(rng.integers(1, 5)), (end - start) * 0.85
    pane = rectangle(room / windows * 0.75, (high - low) * 0.5, 0.06)
    holes = [
        pane.moved((start + end) / 2 + (n - (windows - 1) / 2) * room / windows, (low + high) / 2 + 0.06)
        for n in range(windows)
    ]
    radii = rng.choice([0.0, 0.12, 0.25])
    solids = [upright(prism(rounded(body, radii), deep, holes)).moved(0, -deep / 2, 0)]
    radius = rng.uniform(0.24, 0.42)
    tyre = turned(
        [
            (0, -0.13),
            (radius, -0.13),
            (radius, 0.13),
            (radius * 0.7, 0.13),
            (radius * 0.6, 0.08),
            (0.08, 0.08),
            (0.08, 0.15),
            (0, 0.15),
        ],
        [0, 0.06, 0.06, 0, 0, 0, 0, 0],
    )
    axles = int(rng.choice([2, 2, 2, 3]))
    for x in np.linspace(-long * 0.68, long * 0.68, axles):
        solids += [tyre.turned("x", 90 * side).moved(x, -side * deep / 2, 0.02) for side in (-1, 1)]
    solids += [bar((long - 0.05, y, low * 0.55), (long + 0.1, y, low * 0.55), 0.09) for y in (-deep * 0.3, deep * 0.3)]
    extra = rng.integers(5)
    if extra == 0:
        solids.append(box((end - start) * 0.7, deep * 0.6, 0.16, 0.05).moved((start + end) / 2, 0, high - 0.03))
    elif extra == 1:
        solids.append(prism(circle(0.14), 0.5).moved(end - 0.3, 0, high - 0.05))
    elif extra == 2:
        solids += row(torus(deep * 0.3, 0.04).turned("y", 90).moved((start + end) / 2, 0, high), 3, (0.3, 0, 0))
    elif extra == 3:
        solids.append(
            rod(
                [
                    (start + 0.1, 0, high - 0.05),
                    (start + 0.1, 0, high + 0.4),
                    (end - 0.1, 0, high + 0.4),
                    (end - 0.1, 0, high - 0.05),
                ],
                0.05,
                0.2,
            )
        )
    return solids


def house(rng: Generator) -> list[Solid]:
    """A bird house, dolls' house, lantern or mailbox: walls, roof, openings and fittings."""
    wide, deep, tall = rng.uniform(0.9, 1.5), rng.uniform(0.8, 1.3), rng.uniform(0.8, 1.6)
    ridge = rng.uniform(0.4, 0.9)
    kind = rng.integers(3)
    opening = [circle(rng.uniform(0.15, 0.28)), rectangle(0.4, 0.5, 0.15), regular(6, 0.25)][rng.integers(3)]
    solids = []
    if kind == 0:
        wall = rounded([(-wide / 2, 0), (wide / 2, 0), (wide / 2, tall), (0, tall + ridge), (-wide / 2, tall)], 0)
        solids.append(upright(prism(wall, deep, [opening.moved(0, tall * 0.65)])).moved(0, -deep / 2, 0))
        slope = np.degrees(np.arctan2(ridge, wide / 2))
        slab = box(np.hypot(ridge, wide / 2) + 0.25, deep + 0.3, 0.08).moved(-np.hypot(ridge, wide / 2) / 2 - 0.08, 0, -0.02)
        solids += [
            slab.turned("y", -slope).moved(0, 0, tall + ridge),
            slab.turned("y", -slope).scaled(-1, 1, 1).moved(0, 0, tall + ridge),
        ]
    else:
        shape = rectangle(wide, deep, 0.0) if kind == 1 else regular(int(rng.integers(5, 9)), wide / 1.7)
        solids.append(prism(shape, tall, top=rng.uniform(0.8, 1.1)))
        solids.append(prism(shape.scaled(1.25, 1.25), ridge, top=rng.uniform(0.0, 0.4) + 0.05).moved(0, 0, tall - 0.04))
        solids.append(upright(ring(0.24, 0.12, 0.08)).moved(0, -deep / 2 - 0.06, tall * 0.6))
        solids.append(knob(rng, 0.12).moved(0, 0, tall + ridge - 0.08))
    if rng.random() < 0.6:
        solids.append(bar((0, -deep / 2 + 0.1, tall * 0.3), (0, -deep / 2 - 0.35, tall * 0.3), 0.05))
    floor = rng.integers(4)
    if floor == 0:
        solids.append(box(wide * 1.25, deep * 1.3, 0.12).moved(0, 0, -0.08))
    elif floor == 1:
        solids.append(bar((0, 0, 0.1), (0, 0, -rng.uniform(0.8, 1.4)), 0.1))
    elif floor == 2:
        solids += corners(bar((0.1, 0.1, -0.5), (0, 0, 0.1), 0.05), wide * 0.33, deep * 0.33)
    if rng.random() < 0.4:
        solids.append(box(0.24, 0.24, 0.7).moved(wide * 0.28, deep * 0.1, tall + ridge * 0.2))
    if rng.random() < 0.4:
        solids.append(torus(0.2, 0.04).turned("y", 90).moved(0, 0, tall + ridge + 0.14))
    return solids


def totem(rng: Generator) -> list[Solid]:
    """A stack of unlike sections on one axis, with parts set around some of them."""
    solids, z = [], 0.0
    levels = int(rng.integers(3, 6))
    for _ in range(levels):
        radius, height = rng.uniform(0.4, 1.0), rng.uniform(0.2, 0.8)
        solids.append(
            prism(
                outline(rng, radius), height, chamfer=rng.choice([0.0, 0.06]), top=rng.choice([1.0, 1.0, 0.7, 1.25])
            ).moved(0, 0, z)
        )
        if rng.random() < 0.4:
            part = [ball(0.16), bar((-0.3, 0, 0), (0.35, 0, 0), 0.08), torus(0.2, 0.06).turned("x", 90), box(0.5, 0.1, 0.2)][
                rng.integers(4)
            ]
            solids += around(part.moved(radius, 0, height / 2).moved(0, 0, z), int(rng.integers(2, 7)))
        z += height - 0.04
    solids.append(
        [
            ball(0.35),
            knob(rng, 0.3),
            prism(star(5, 0.5, 0.22), 0.2).turned("x", 90).moved(0, 0.1, 0.4),
            torus(0.3, 0.09).turned("x", 90).moved(0, 0, 0.3),
        ][rng.integers(4)].moved(0, 0, z)
    )
    return solids


def weight(rng: Generator) -> list[Solid]:
    """A dumb-bell, kettlebell or barbell."""
    if rng.random() < 0.45:
        flat = rng.uniform(0.8, 1.0)
        solids = [ball(0.9, flat), prism(outline(rng, 0.62), 0.3, chamfer=0.04).moved(0, 0, -0.9 * flat - 0.1)]
        wide, tall = rng.uniform(0.45, 0.75), rng.uniform(0.7, 1.1)
        solids.append(
            rod(
                [(-wide * 0.8, 0, 0.5), (-wide, 0, 0.55 + tall), (wide, 0, 0.55 + tall), (wide * 0.8, 0, 0.5)],
                rng.uniform(0.1, 0.16),
                rng.choice([0.25, SMOOTH]),
            )
        )
        if rng.random() < 0.6:
            solids.append(ring(0.45, 0.2, 0.12).turned("x", 90).moved(0, -0.66, 0.05))
        return solids
    half = rng.uniform(0.6, 1.3)
    solids = [bar((-half - 0.5, 0, 0), (half + 0.5, 0, 0), rng.uniform(0.09, 0.15))]
    x = half
    for _ in range(int(rng.integers(1, 4))):
        radius, thick = rng.uniform(0.4, 0.85), rng.uniform(0.12, 0.4)
        plate = prism(outline(rng, radius), thick, chamfer=0.05).turned("y", 90)
        solids += [plate.moved(x - 0.4, 0, 0), plate.scaled(-1, 1, 1).moved(-x + 0.4, 0, 0)]
        x += thick - 0.03
    grips = int(rng.integers(0, 4))
    solids += row(torus(0.15, 0.06).turned("y", 90), grips, (0.25, 0, 0))
    return solids


def figure(rng: Generator) -> list[Solid]:
    """A toy robot or animal: trunk, head, limbs, ears or aerials."""
    tall, wide = rng.uniform(0.8, 1.4), rng.uniform(0.5, 0.9)
    trunk = (
        prism(outline(rng, wide * 0.8), tall, chamfer=0.06, top=rng.uniform(0.8, 1.2))
        if rng.random() < 0.6
        else ball(wide * 0.8, tall / wide / 1.4).moved(0, 0, tall / 2)
    )
    head_size = rng.uniform(0.35, 0.6)
    head = [
        ball(head_size),
        prism(outline(rng, head_size), head_size * 1.5, chamfer=0.05).moved(0, 0, -head_size * 0.7),
        box(head_size * 2, head_size * 1.5, head_size * 1.5, 0.12, 0.05).moved(0, 0, -head_size * 0.7),
    ][rng.integers(3)]
    top = tall + head_size * 0.75
    solids = [trunk, head.moved(0, 0, top)]
    leg = rng.integers(3)
    drop = rng.uniform(0.5, 1.0)
    for side in (-1, 1):
        x = side * wide * 0.38
        solids.append(
            bar((x, 0, 0.2), (x, 0, -drop), rng.uniform(0.14, 0.16)) if leg else box(0.3, 0.3, drop + 0.2).moved(x, 0, -drop)
        )
        solids.append(box(0.36, 0.6, 0.18, 0.1, 0.04).moved(x, -0.1, -drop - 0.12))
    hand, lift = rng.uniform(0.7, 1.1), rng.uniform(-0.6, 0.8)
    arm = rod(
        [(wide * 0.4, 0, tall * 0.8), (wide + hand * 0.5, 0, tall * 0.8), (wide + hand * 0.6, -0.1, tall * 0.5 + lift)], 0.11
    )
    palm = [ball(0.18), prism(gear(6, 0.2, 0.08), 0.2), torus(0.16, 0.06).turned("x", 90)][rng.integers(3)].moved(
        wide + hand * 0.6, -0.1, tall * 0.5 + lift
    )
    solids += [part.scaled(side, 1, 1) for part in (arm, palm) for side in (-1, 1)]
    ear = [
        bar((0, 0, 0), (0.15, 0, 0.6), 0.05),
        prism(regular(3, 0.25, turn=0.0), 0.12).turned("x", 90).moved(0, 0.05, 0.1),
        ball(0.2, 1.5),
        torus(0.16, 0.06).turned("x", 90),
    ][rng.integers(4)].moved(head_size * 0.55, 0, head_size * 0.6 + top)
    solids += [ear, ear.scaled(-1, 1, 1)]
    eye = prism(circle(0.09), 0.1, chamfer=0.03).turned("x", 90).moved(head_size * 0.38, -head_size * 0.72, top + 0.08)
    solids += [eye, eye.scaled(-1, 1, 1)]
    return solids


FAMILIES = (vehicle, house, totem, weight, figure)
