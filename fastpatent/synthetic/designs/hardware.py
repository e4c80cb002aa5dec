"""Hardware: gears and wheels, brackets, pipe fittings, springs."""

import numpy as np
from numpy.random import Generator

from fastpatent.synthetic.curves import circle, helix, rounded
from fastpatent.synthetic.designs.primitives import (
    around,
    ball,
    bar,
    box,
    gear,
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
    upright,
)
from fastpatent.synthetic.solids import Solid, sweep


def _bolt(rng: Generator, radius: float) -> Solid:
    """A bolt head on z = 0."""
    if rng.random() < 0.5:
        return prism(regular(6, radius), radius * 0.7, chamfer=radius * 0.15)
    return prism(circle(radius), radius * 0.6, [regular(6, radius * 0.5)])


def wheel(rng: Generator) -> list[Solid]:
    """A gear, pulley, hand wheel or castor wheel standing on its rim or lying on a shaft."""
    radius, thick = rng.uniform(0.9, 1.3), rng.uniform(0.2, 0.6)
    teeth = int(rng.integers(8, 26))
    kind = rng.integers(4)
    spokes = int(rng.integers(3, 8))
    reach = radius * rng.uniform(0.45, 0.6)
    if kind < 2:
        shape = (
            gear(teeth, radius, radius * rng.uniform(0.1, 0.2))
            if kind == 0
            else petals(int(rng.integers(5, 12)), radius, 0.06)
        )
        hole = [
            circle(radius * 0.14),
            rounded([(0.1, -0.22), (0.4, -0.3), (0.4, 0.3), (0.1, 0.22)], 0.1).scaled(0.8, 0.7),
            regular(6, radius * 0.15),
        ][rng.integers(3)].moved(reach, 0)
        holes = [hole.turned(360.0 * number / spokes) for number in range(spokes)]
        solids = [prism(shape, thick, holes)]
    else:
        rim = (
            ring(radius, thick, radius * rng.uniform(0.14, 0.25))
            if kind == 2
            else torus(radius, 0.13).moved(0, 0, thick / 2)
        )
        width = rng.uniform(0.1, 0.2)
        arm = (
            box(radius * 0.9, width, thick * 0.5).moved(radius * 0.46, 0, thick * 0.25)
            if rng.random() < 0.6
            else bar((0, 0, thick / 2), (radius * 0.93, 0, thick / 2), width / 2)
        )
        solids = [rim, *around(arm, spokes)]
    hub = rng.uniform(0.2, 0.32) * radius
    long = rng.uniform(0.1, 0.7)
    solids.append(prism(outline(rng, hub), thick + 2 * long, chamfer=0.05).moved(0, 0, -long))
    if rng.random() < 0.5:
        solids.append(bar((0, 0, -long - 0.6), (0, 0, thick + long + rng.uniform(0.1, 0.7)), hub * 0.45))
    if rng.random() < 0.4:
        solids.append(bar((radius * 0.86, 0, thick * 0.5), (radius * 0.86, 0, thick + 0.7), 0.09))
        solids.append(ball(0.17).moved(radius * 0.86, 0, thick + 0.7))
    return [solid.turned("x", 90) for solid in solids] if rng.random() < 0.7 else solids


def bracket(rng: Generator) -> list[Solid]:
    """A profile (L, T, U, Z, channel) cut to length, with holes, ribs and bolts."""
    w, t = rng.uniform(0.9, 1.4), rng.uniform(0.14, 0.3)
    h = rng.uniform(0.8, 1.5)
    profiles = {
        "L": [(0, 0), (w, 0), (w, t), (t, t), (t, h), (0, h)],
        "T": [(-w / 2, 0), (w / 2, 0), (w / 2, t), (t / 2, t), (t / 2, h), (-t / 2, h), (-t / 2, t), (-w / 2, t)],
        "U": [
            (-w / 2, 0),
            (w / 2, 0),
            (w / 2, h),
            (w / 2 - t, h),
            (w / 2 - t, t),
            (t - w / 2, t),
            (t - w / 2, h),
            (-w / 2, h),
        ],
        "Z": [(0, 0), (w / 2 + t, 0), (w / 2 + t, h - t), (w, h - t), (w, h), (w / 2, h), (w / 2, t), (0, t)],
        "H": [
            (-w / 2, -h / 2),
            (t - w / 2, -h / 2),
            (t - w / 2, -t / 2),
            (w / 2 - t, -t / 2),
            (w / 2 - t, -h / 2),
            (w / 2, -h / 2),
            (w / 2, h / 2),
            (w / 2 - t, h / 2),
            (w / 2 - t, t / 2),
            (t - w / 2, t / 2),
            (t - w / 2, h / 2),
            (-w / 2, h / 2),
        ],
        "V": [(-w, h), (-t, 0), (t, 0), (w, h), (w - 1.4 * t, h), (0, 1.6 * t), (1.4 * t - w, h)],
    }
    name = rng.choice(list(profiles))
    corners = profiles[name]
    length = rng.uniform(0.5, 2.2)
    solids = [upright(prism(rounded(corners, rng.choice([0.0, 0.05, 0.1])), length)).moved(0, -length / 2, 0)]
    floor = -t / 2 if name == "H" else 0.0
    if name != "V":
        fixing = _bolt(rng, rng.uniform(0.09, 0.15))
        place = {"L": (w + t) / 2, "T": w * 0.34, "U": 0.0, "Z": w / 4, "H": 0.0}[name]
        count = int(rng.integers(1, 4))
        solids += [copy.moved(place, 0, floor + t - 0.04) for copy in row(fixing, count, (0, length / (count + 0.3), 0))]
    if name in "LT":
        start = t if name == "L" else t / 2
        rib = prism(
            rounded(
                [
                    (start - 0.05, t - 0.05),
                    (start + 0.7 * (w / (1 + (name == "T")) - start), t - 0.05),
                    (start - 0.05, h * 0.8),
                ],
                0,
            ),
            rng.uniform(0.08, 0.16),
            [circle(0.08).moved(start + 0.14, t + 0.14)] if rng.random() < 0.5 else (),
        )
        solids += row(upright(rib).moved(0, -0.06, 0), int(rng.integers(1, 4)), (0, length / 3.2, 0))
    plate = prism(outline(rng, rng.uniform(0.5, 0.8)), 0.15, [circle(0.16)], chamfer=0.03)
    spot = rng.integers(3)
    if spot == 0:
        solids.append(upright(plate).moved(0, length / 2 - 0.04, h / 2 + floor))
    elif spot == 1:
        solids.append(plate.moved(0, 0, floor - 0.1))
    else:
        solids.append(bar((0.05, 0, h * 0.7), (-rng.uniform(0.6, 1.2), 0, h * 0.7), rng.uniform(0.1, 0.2)))
    return solids


def fitting(rng: Generator) -> list[Solid]:
    """A pipe fitting: elbow, tee, cross or reducer with flanges and bolts."""
    bore = rng.uniform(0.22, 0.42)
    long = rng.uniform(0.8, 1.3)
    kind = rng.integers(4)
    ends = {
        0: [(0, 0, 1), (1, 0, 0)],
        1: [(0, 0, 1), (0, 0, -1), (1, 0, 0)],
        2: [(0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0)],
        3: [(0, 0, 1), (0, 0, -1), (0.8, 0, 0.6)],
    }[int(kind)]
    if kind == 0:
        solids = [rod([(0, 0, long), (0, 0, 0), (long, 0, 0)], bore, rng.uniform(0.3, 0.9))]
    else:
        solids = [bar((0, 0, -long), (0, 0, long), bore)]
        solids += [bar((0, 0, 0), tuple(np.array(end) * long), bore * rng.uniform(0.6, 0.95)) for end in ends[2:]]
        if rng.random() < 0.5:
            solids.append(ball(bore * rng.uniform(1.2, 1.7)))
    bolts, flange = int(rng.integers(0, 9)), bore * rng.uniform(1.5, 2.1)
    shape = circle(flange) if rng.random() < 0.6 else regular(int(rng.integers(4, 9)), flange * 1.1, rng.choice([0.0, 0.12]))
    for end in ends:
        parts = [prism(shape, 0.2, [circle(bore * 0.75)]), ring(bore * 1.15, 0.35, bore * 0.35).moved(0, 0, -0.25)]
        if bolts > 2:
            parts += around(_bolt(rng, 0.09).moved((flange + bore) / 2, 0, 0.17), bolts)
        tilt = np.degrees(np.arctan2(end[0], end[2]))
        solids += [part.moved(0, 0, long - 0.05).turned("y", tilt) for part in parts]
    if rng.random() < 0.5:
        stem = rng.uniform(0.6, 1.0)
        top = [
            bar((0, 0, 0), (0, 0, stem), bore * 0.4),
            torus(0.4, 0.07).moved(0, 0, stem),
            *around(bar((0, 0, stem), (0.4, 0, stem), 0.05), int(rng.integers(2, 6))),
        ]
        solids += [part.turned("x", 90) for part in top]
    return solids


def spring(rng: Generator) -> list[Solid]:
    """A coil between end plates with a core, or a spiral stand."""
    radius, wire = rng.uniform(0.45, 0.75), rng.uniform(0.06, 0.12)
    turns = int(rng.integers(3, 8))
    pitch = rng.uniform(0.24, 0.4)
    tall = turns * pitch
    coil = sweep(helix(radius, pitch, turns, 30), circle(wire, 12))
    solids = [
        coil,
        prism(outline(rng, radius * 1.35), 0.22, chamfer=0.04).moved(0, 0, -0.2),
        prism(outline(rng, radius * 1.25), 0.22, chamfer=0.04).moved(0, 0, tall - 0.05),
    ]
    if rng.random() < 0.7:
        solids.append(
            bar((0, 0, -0.6 * rng.random() - 0.1), (0, 0, tall + rng.uniform(0.2, 0.8)), radius * rng.uniform(0.3, 0.6))
        )
    for end, sign in ((-0.2, -1), (tall + 0.15, 1)):
        if rng.random() < 0.6:
            eye = rng.integers(3)
            z = end + sign * 0.25
            solids.append(
                torus(0.25, 0.08).turned("x", 90).moved(0, 0, z)
                if eye == 0
                else upright(prism(rectangle(0.5, 0.7, 0.2), 0.2, [circle(0.12)])).moved(0, -0.1, z)
                if eye == 1
                else knob(rng, 0.3).scaled(1, 1, sign).moved(0, 0, end - sign * 0.04)
            )
    return solids


FAMILIES = (wheel, bracket, fitting, spring)
