"""Devices: housings with windows, keys and dials; appliances; connectors; cameras and speakers."""

from numpy.random import Generator

from fastpatent.synthetic.curves import circle
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


def _on_front(solid: Solid, x: float, z: float, y: float) -> Solid:
    """Move a part that stands on z = 0 to the front face at depth `y`, pointing towards the viewer."""
    return solid.turned("x", 90).moved(x, y, z)


def _button(rng: Generator, size: float) -> Solid:
    return prism(
        [
            circle(size),
            rectangle(2 * size, 1.4 * size, 0.3 * size),
            regular(6, size),
            circle(size).scaled(1.3, 0.7),
            regular(3, size, 0.1 * size),
        ][rng.integers(5)],
        size * rng.uniform(0.5, 1.0),
        chamfer=rng.choice([0.0, 0.15]) * size,
    )


def housing(rng: Generator) -> list[Solid]:
    """A radio, meter or remote: a rounded case with screen, keys, dials, vents and an antenna or handle."""
    wide, tall, deep = rng.uniform(0.8, 2.0), rng.uniform(0.9, 2.0), rng.uniform(0.3, 0.8)
    radius = rng.choice([0.0, 0.15, 0.35])
    case = upright(prism(rectangle(wide, tall, radius), deep)).moved(0, -deep / 2, 0)
    front = -deep / 2 + 0.02
    solids = [case]
    if rng.random() < 0.75:
        screen_wide, screen_tall = wide * rng.uniform(0.45, 0.8), tall * rng.uniform(0.2, 0.4)
        frame = prism(
            rectangle(screen_wide, screen_tall, rng.choice([0.0, 0.08])),
            0.09,
            [rectangle(screen_wide - 0.14, screen_tall - 0.14, rng.choice([0.0, 0.05]))],
        )
        solids.append(_on_front(frame, 0, tall * 0.24, front))
    else:
        solids.append(_on_front(ring(min(wide, tall) * 0.25, 0.12, 0.1), 0, tall * 0.2, front))
        solids.append(_on_front(ball(0.14), 0, tall * 0.2, front))
    key = _button(rng, rng.uniform(0.06, 0.11))
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    for i in range(columns):
        for j in range(rows):
            solids.append(
                _on_front(key, (i - (columns - 1) / 2) * wide * 0.75 / columns, -tall * 0.06 - j * tall * 0.38 / rows, front)
            )
    if rng.random() < 0.5:
        dial = prism(gear(int(rng.integers(10, 22)), 0.17, 0.03), 0.16)
        side = rng.choice([-1, 1])
        solids.append(dial.turned("y", side * 90).moved(side * (wide / 2 - 0.03), 0, tall * rng.uniform(-0.3, 0.3)))
    extra = rng.integers(5)
    if extra == 0:
        x = wide * rng.uniform(-0.4, 0.4)
        solids += [
            bar((x, 0, tall / 2 - 0.1), (x, 0, tall / 2 + rng.uniform(0.5, 1.2)), 0.06),
        ]
    elif extra == 1:
        reach = wide * 0.42
        solids.append(
            rod(
                [
                    (-reach, 0, tall / 2 - 0.08),
                    (-reach, 0, tall / 2 + 0.45),
                    (reach, 0, tall / 2 + 0.45),
                    (reach, 0, tall / 2 - 0.08),
                ],
                0.07,
                rng.choice([0.1, 0.4]),
            )
        )
    elif extra == 2:
        solids += [copy.moved(0, 0, -tall / 2 - 0.12) for copy in corners(prism(circle(0.1), 0.2), wide * 0.38, deep * 0.3)]
    elif extra == 3:
        solids.append(box(wide * rng.uniform(1.1, 1.5), deep * 1.5, 0.14, 0.1, 0.04).moved(0, 0, -tall / 2 - 0.1))
    return solids


def camera(rng: Generator) -> list[Solid]:
    """A camera, projector or binocular: a body with lens barrels, finder, grips and feet."""
    wide, tall, deep = rng.uniform(1.3, 2.0), rng.uniform(0.8, 1.2), rng.uniform(0.4, 0.8)
    solids = [box(wide, deep, tall, rng.choice([0.0, 0.15, 0.2]), 0.05)]
    lenses = int(rng.choice([1, 1, 2]))
    radius = rng.uniform(0.25, 0.42)
    long = rng.uniform(0.2, 0.8)
    barrel = [
        turned(
            [
                (0, 0),
                (radius, 0),
                (radius, long * 0.5),
                (radius * 0.85, long * 0.55),
                (radius * rng.uniform(0.8, 1.15), long),
                (radius * 0.7, long),
                (radius * 0.5, long - 0.15),
                (0, long - 0.15),
            ]
        )
    ]
    if rng.random() < 0.6:
        barrel.append(prism(gear(24, radius * 1.12, 0.04), long * 0.3).moved(0, 0, long * 0.1))
    centre = 0.0 if lenses == 2 else wide * rng.choice([0.0, 0.18, -0.18])
    for number in range(lenses):
        x = centre + (number - (lenses - 1) / 2) * wide * 0.5
        solids += [_on_front(part, x, tall * 0.48, -deep / 2 + 0.03) for part in barrel]
    finder = prism(rectangle(rng.uniform(0.4, 0.7), deep * 0.8, 0.05), 0.3, top=rng.uniform(0.5, 0.95))
    if rng.random() < 0.7:
        solids.append(finder.moved(centre, 0, tall - 0.05))
    solids.append(_button(rng, 0.1).moved(wide * 0.38, 0, tall - 0.03))
    if rng.random() < 0.6:
        solids.append(prism(gear(16, 0.16, 0.025), 0.16).moved(-wide * 0.36, 0, tall - 0.03))
    extra = rng.integers(4)
    if extra == 0:
        solids += around(bar((0.1, 0, 0.1), (0.7, 0, -1.2), 0.06), 3, 90)
    elif extra == 1:
        solids.append(
            rod(
                [
                    (wide * 0.45, 0, tall * 0.85),
                    (wide * 0.75, 0, tall * 0.8),
                    (wide * 0.75, 0, tall * 0.1),
                    (wide * 0.45, 0, tall * 0.1),
                ],
                0.08,
                SMOOTH,
            )
        )
    elif extra == 2:
        solids.append(bar((0, 0, 0.1), (0, 0, -0.9), 0.14))
        solids.append(prism(outline(rng, 0.5), 0.1).moved(0, 0, -0.95))
    return solids


def speaker(rng: Generator) -> list[Solid]:
    """A loudspeaker, fan or heater: a cabinet or round drum with grilles and a stand."""
    solids = []
    if rng.random() < 0.55:
        wide, tall, deep = rng.uniform(0.7, 1.2), rng.uniform(1.2, 2.2), rng.uniform(0.5, 0.9)
        solids.append(upright(prism(rectangle(wide, tall, rng.choice([0.0, 0.2])), deep)).moved(0, -deep / 2, 0))
        z, room = -tall / 2 + 0.1, wide * 0.42
        drivers = int(rng.integers(1, 4))
        for number in range(drivers):
            size = room * (1.0 - 0.25 * number) * (0.9 if drivers < 3 else 0.72)
            z += size
            cone = turned(
                [
                    (0, 0.05),
                    (0.25 * size, 0.08),
                    (0.3 * size, 0.03),
                    (size * 0.85, 0.14),
                    (size, 0.14),
                    (size, -0.1),
                    (0, -0.1),
                ][::-1]
            )
            solids.append(_on_front(cone, 0, z, -deep / 2))
            z += size + 0.04
        solids += [
            copy.moved(0, 0, -tall / 2 - 0.14)
            for copy in corners(prism(circle(0.1), 0.18, top=1.2), wide * 0.35, deep * 0.32)
        ]
        if rng.random() < 0.4:
            solids.append(box(wide * 1.2, deep * 1.2, 0.1, 0.0, 0.03).moved(0, 0, tall / 2 - 0.03))
        return solids
    radius = rng.uniform(0.8, 1.0)
    cage = [
        torus(radius, 0.06),
        torus(radius * 0.55, 0.04),
        prism(outline(rng, 0.22), 0.35, chamfer=0.04).moved(0, 0, -0.12),
    ]
    cage += around(bar((0.15, 0, 0.06), (radius, 0, 0.03), 0.03), int(rng.integers(6, 15)))
    blade = (
        prism(rectangle(radius * 0.65, rng.uniform(0.25, 0.5), 0.12), 0.06)
        .turned("x", rng.uniform(15, 35))
        .moved(radius * 0.5, 0, -0.2)
    )
    cage += around(blade, int(rng.integers(3, 6)))
    solids += [_on_front(part, 0, 0, 0) for part in cage]
    solids.append(bar((0, 0.05, 0), (0, 0.6, 0), rng.uniform(0.2, 0.35)))
    solids.append(bar((0, 0.4, 0), (0, 0.4, -radius - 0.6), 0.09))
    solids.append(prism(outline(rng, 0.65), 0.14, chamfer=0.05).moved(0, 0.4, -radius - 0.7))
    return solids


def plug(rng: Generator) -> list[Solid]:
    """A connector or adapter: a body with pins, collar and cable."""
    shape = [
        rectangle(1.0, 0.7, 0.15),
        circle(0.5),
        regular(6, 0.55, 0.1),
        petals(3, 0.5, 0.12),
        rectangle(1.3, 0.55, 0.25),
    ][rng.integers(5)]
    long = rng.uniform(0.7, 1.4)
    solids = [prism(shape, long, top=rng.uniform(0.7, 1.1), chamfer=0.05)]
    solids.append(prism(outline(rng, rng.uniform(0.6, 0.8)), 0.16).moved(0, 0, -0.08))
    pins = int(rng.integers(2, 6))
    section = [circle(0.07, 16), rectangle(0.06, 0.22), rectangle(0.14, 0.14)][rng.integers(3)]
    pin = bar((0, 0, -rng.uniform(0.4, 0.7)), (0, 0, 0), 0, section)
    solids += (
        row(pin, pins, (0.22 if pins > 2 else 0.4, 0, 0)) if rng.random() < 0.5 else around(pin.moved(0.26, 0, 0), pins)
    )
    boot = rng.uniform(0.14, 0.24)
    solids.append(turned([(0, 0), (boot * 1.5, 0), (boot, 0.5), (0, 0.5)], [0, 0, 0.05, 0]).moved(0, 0, long - 0.05))
    if rng.random() < 0.6:
        solids += [torus(boot * 1.2, 0.05).moved(0, 0, long + z) for z in (0.08, 0.2, 0.32)]
    bend = rng.uniform(-1.2, 1.2)
    solids.append(
        rod([(0, 0, long + 0.3), (0, 0, long + 0.9), (bend, 0, long + 1.1), (bend, 0, long + 1.7)], boot * 0.55, 0.35)
    )
    if rng.random() < 0.5:
        grip = box(0.06, 0.3, long * 0.5).moved(0, 0, long * 0.2)
        solids += [grip.moved(side * x, 0, 0) for side in (-1, 1) for x in (shape.points[:, 0].max() - 0.02,)]
    return solids


def appliance(rng: Generator) -> list[Solid]:
    """A mixer, iron or dispenser: stacked volumes with a handle, nozzle and switch."""
    base, tall = rng.uniform(0.8, 1.1), rng.uniform(0.9, 1.6)
    solids = [prism(outline(rng, base), rng.uniform(0.2, 0.4), chamfer=0.06)]
    column = prism(rectangle(0.6, 0.6, rng.choice([0.0, 0.2, 0.3])), tall + 0.2, top=rng.uniform(0.7, 1.1)).moved(
        -0.35, 0, 0.1
    )
    solids.append(column)
    head = rng.integers(3)
    if head == 0:
        solids.append(bar((-0.9, 0, tall + 0.25), (0.8, 0, tall + 0.25), rng.uniform(0.28, 0.42)))
    elif head == 1:
        solids.append(box(1.8, 0.75, 0.55, rng.choice([0.1, 0.3]), 0.08).moved(0, 0, tall))
    else:
        solids.append(ball(0.55, 0.7).scaled(1.7, 0.8, 1).moved(0, 0, tall + 0.2))
    drop = rng.uniform(0.3, 0.6)
    solids.append(bar((0.5, 0, tall + 0.1), (0.5, 0, tall - drop), rng.uniform(0.08, 0.2)))
    solids.append(
        [prism(outline(rng, 0.3), 0.2), ball(0.25, 1.4), torus(0.25, 0.05).turned("x", 90)][rng.integers(3)].moved(
            0.5, 0, tall - drop - 0.15
        )
    )
    if rng.random() < 0.6:
        wall = turned(
            [(0, 0), (0.3, 0), (rng.uniform(0.35, 0.6), 0.6), (0.3, 0.6), (0.25, 0.1), (0, 0.1)], [0, 0.1, 0, 0, 0.1, 0]
        )
        solids.append(wall.moved(0.5, 0, 0.2))
    if rng.random() < 0.6:
        solids.append(
            rod([(-0.7, 0, tall + 0.5), (-0.5, 0, tall + 1.0), (0.5, 0, tall + 1.0), (0.6, 0, tall + 0.4)], 0.08, 0.25)
        )
    solids.append(_on_front(knob(rng, rng.uniform(0.1, 0.18)), -0.35, tall * rng.uniform(0.4, 0.8), -0.27))
    return solids


FAMILIES = (housing, camera, speaker, plug, appliance)
