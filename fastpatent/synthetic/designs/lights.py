"""Lights: table and desk lamps."""

from numpy.random import Generator

from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    ball,
    bar,
    knob,
    outline,
    prism,
    rod,
    smooth_wall,
    turned,
    vessel_section,
)
from fastpatent.synthetic.solids import Solid


def lamp(rng: Generator) -> list[Solid]:
    """A table lamp: foot, stem, shade."""
    height = rng.uniform(1.6, 2.6)
    solids = [prism(outline(rng, rng.uniform(0.55, 0.85)), rng.uniform(0.1, 0.3), chamfer=0.06)]
    kind = rng.integers(3)
    if kind == 0:
        wall = smooth_wall(rng, height, 0.1, 0.45, int(rng.integers(4, 8)))
        solids.append(turned([(0, 0), *wall, (0, height)], [0, 0, *[SMOOTH] * (len(wall) - 2), 0, 0], vessel_section(rng)))
        head = (0.0, height)
    elif kind == 1:
        lean = rng.uniform(0.4, 1.2)
        solids.append(rod([(0, 0, 0.1), (-0.5 * lean, 0, height * 0.8), (0.2, 0, height * 1.25), (lean, 0, height)], 0.07))
        head = (lean, height - 0.1)
    else:
        elbow = (-rng.uniform(0.4, 0.8), height * 0.6)
        head = (rng.uniform(0.2, 0.8), height)
        solids += [
            bar((0, 0, 0.1), (elbow[0], 0, elbow[1]), 0.06),
            bar((elbow[0], 0, elbow[1]), (head[0], 0, head[1] + 0.2), 0.06),
            ball(0.13).moved(elbow[0], 0, elbow[1]),
        ]
    low, high, tall = rng.uniform(0.6, 1.15), rng.uniform(0.2, 0.75), rng.uniform(0.5, 1.0)
    shape = vessel_section(rng)
    curve = rng.choice([0.0, 0.3, SMOOTH])
    middle = (low + high) / 2 + rng.uniform(-0.15, 0.3)
    shade = turned(
        [(0, tall - 0.1), (low - 0.05, 0), (low, 0), (middle, tall / 2), (high, tall), (0, tall)],
        [0, 0, 0, curve, 0, 0],
        shape,
    )
    solids.append(shade.moved(head[0], 0, head[1] - 0.25))
    if rng.random() < 0.5:
        solids.append(knob(rng, 0.12).moved(head[0], 0, head[1] + tall - 0.3))
    return solids


FAMILIES = (lamp,)
