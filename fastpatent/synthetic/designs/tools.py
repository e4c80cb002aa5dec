"""Hand tools and hooks."""

import numpy as np
from numpy.random import Generator

from fastpatent.synthetic.curves import circle, rounded
from fastpatent.synthetic.designs.primitives import (
    SMOOTH,
    ball,
    bar,
    box,
    outline,
    prism,
    rectangle,
    regular,
    rod,
    row,
    star,
    torus,
    turned,
    upright,
)
from fastpatent.synthetic.solids import Solid


def hook(rng: Generator) -> list[Solid]:
    """A wall plate with one or more hooks, pegs or a towel ring."""
    wide, tall = rng.uniform(0.5, 1.8), rng.uniform(0.6, 1.5)
    plate = [rectangle(wide, tall, rng.choice([0.0, 0.15, 0.3])), outline(rng, 0.7), star(5, 0.9, 0.6, 0.1)][rng.integers(3)]
    solids = [upright(prism(plate, 0.16, chamfer=0.04)).scaled(1, -1, 1)]
    reach, drop = rng.uniform(0.5, 1.0), rng.uniform(0.3, 0.8)
    section = [None, rectangle(0.14, 0.24, 0.04), regular(6, 0.12)][rng.integers(3)]
    kind = rng.integers(4)
    shapes = (
        [(0, 0, 0.2), (0, -reach, 0.2), (0, -reach, -drop), (0, -reach * 0.35, -drop)],
        [(0, 0, 0), (0, -reach * 0.5, -drop), (0, -reach, -drop * 0.9), (0, -reach * 1.1, 0.25)],
        [(0, 0, 0.3), (0, -reach, 0.4), (0, -reach, -0.3), (0, -reach * 0.4, -0.4), (0, -reach * 0.3, -0.1)],
        [(0, 0, 0), (0, -reach * 0.6, 0), (0, -reach, 0.4)],
    )
    arm = [rod(shapes[kind], 0.1, SMOOTH, section)]
    end = shapes[kind][-1]
    if rng.random() < 0.5:
        arm.append(ball(rng.uniform(0.14, 0.22)).moved(*end))
    count = int(rng.integers(1, 4))
    for part in arm:
        solids += row(part, count, (wide / 3 + 0.12, 0, 0))
    screw = upright(prism(circle(0.08), 0.06, [rectangle(0.1, 0.025)])).scaled(1, -1, 1).moved(0, -0.14, 0)
    solids += [screw.moved(0, 0, side * tall * 0.32) for side in (-1, 1)]
    if rng.random() < 0.3:
        solids.append(torus(rng.uniform(0.4, 0.7), 0.07).turned("x", 90).moved(0, -reach * 0.5, -0.6))
    return solids


def tool(rng: Generator) -> list[Solid]:
    """A hand tool: grip along x, head at its end."""
    long = rng.uniform(1.6, 2.6)
    wall = np.stack([rng.uniform(0.14, 0.28, 5), np.linspace(0, long, 5)], 1)
    grip = turned(
        [(0, 0), *wall, (0, long)],
        [0, 0.08, SMOOTH, SMOOTH, SMOOTH, 0, 0],
        [None, regular(6, 1.0, 0.3), rectangle(2, 1.3, 0.5)][rng.integers(3)],
    )
    solids = [grip]
    if rng.random() < 0.5:
        solids += [
            torus(np.interp(z, wall[:, 1], wall[:, 0]), 0.045).moved(0, 0, z)
            for z in np.linspace(0.2, 0.6, int(rng.integers(2, 6))) * long
        ]
    neck = rng.uniform(0.2, 1.0)
    solids.append(bar((0, 0, long - 0.1), (0, 0, long + neck), 0.09))
    tip = long + neck
    kind = rng.integers(7)
    if kind == 0:
        solids += [
            prism(outline(rng, 0.28), rng.uniform(0.4, 0.8)).turned("y", 90).moved(0, 0, tip),
            prism(rectangle(0.4, 0.4), 0.8, top=rng.uniform(0.1, 0.6)).turned("y", -90).moved(0.05, 0, tip),
        ]
    elif kind == 1:
        jaw = rounded(
            [
                (-0.35, 0),
                (0.35, 0),
                (0.5, 0.5),
                (0.35, 0.95),
                (0.16, 0.95),
                (0.16, 0.45),
                (-0.16, 0.45),
                (-0.16, 0.95),
                (-0.35, 0.95),
                (-0.5, 0.5),
            ],
            [0.1, 0.1, 0.2, 0, 0, 0.1, 0.1, 0, 0, 0.2],
        )
        solids.append(upright(prism(jaw, 0.2)).moved(0, -0.1, tip - 0.1))
    elif kind == 2:
        solids.append(box(rng.uniform(0.8, 1.6), 0.4, 0.3, 0.08).moved(0, 0, tip - 0.05))
        solids += row(
            bar((0, 0, tip + 0.2), (0, 0, tip + rng.uniform(0.6, 0.9)), 0.05), int(rng.integers(4, 8)), (0.14, 0, 0)
        )
    elif kind == 3:
        blade = rounded([(-0.3, 0), (0.3, 0), (0.45, 0.9), (0, 1.4), (-0.45, 0.9)], [0.1, 0.1, 0.2, 0, 0.2])
        solids.append(
            upright(prism(blade, 0.1, [circle(0.14).moved(0, 0.6)] if rng.random() < 0.5 else ())).moved(0, -0.05, tip - 0.1)
        )
    elif kind == 4:
        tines = int(rng.integers(2, 6))
        solids.append(box(0.22 * tines, 0.14, 0.3).moved(0, 0, tip - 0.05))
        solids += row(rod([(0, 0, tip + 0.1), (0, 0.05, tip + 0.6), (0, -0.25, tip + 1.1)], 0.05), tines, (0.19, 0, 0))
    elif kind == 5:
        solids.append(torus(rng.uniform(0.4, 0.7), 0.08).turned("x", 90).moved(0, 0, tip + 0.5))
        solids += row(bar((0, 0, tip + 0.1), (0, 0, tip + 0.9), 0.03), int(rng.integers(2, 6)), (0.16, 0, 0))
    else:
        roller = rng.uniform(0.5, 0.8)
        solids += [
            bar((-roller, 0, tip + 0.5), (roller, 0, tip + 0.5), 0.24),
            rod(
                [
                    (0, 0, tip - 0.1),
                    (0, 0, tip + 0.08),
                    (roller + 0.2, 0, tip + 0.08),
                    (roller + 0.2, 0, tip + 0.5),
                    (roller - 0.1, 0, tip + 0.5),
                ],
                0.06,
                0.1,
            ),
        ]
    if rng.random() < 0.4:
        solids.append(torus(0.16, 0.05).turned("x", 90).moved(0, 0, -0.14))
    return solids


FAMILIES = (hook, tool)
