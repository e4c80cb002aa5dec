"""All sheets of one design: its object, drawing style and views, determined by (seed, number) only."""

import numpy as np
from PIL import Image

from fastpatent.synthetic.camera import patent_views
from fastpatent.synthetic.designs import FAMILIES
from fastpatent.synthetic.designs.primitives import broken
from fastpatent.synthetic.drawing import Style, draw
from fastpatent.synthetic.scene import Scene
from fastpatent.synthetic.solids import Solid

PENS = (0.6, 0.8, 1.0)
HATCHES = ((45, 5.0), (-45, 6.0), (90, 5.0), (0, 6.0))


def random_style(rng: np.random.Generator) -> Style:
    """One of a few dozen drawing styles, so few that the style does not identify a design."""
    shading = rng.choice(["none", "rulings", "hatch", "both"], p=[0.5, 0.25, 0.1, 0.15])
    return Style(
        pen=float(rng.choice(PENS, p=[0.3, 0.45, 0.25])),
        rulings=int(rng.choice([36, 52])) if shading in ("rulings", "both") else 0,
        hatch=HATCHES[rng.integers(len(HATCHES))] if shading in ("hatch", "both") else None,
        captioned=bool(rng.random() < 0.5),
    )


def random_object(rng: np.random.Generator) -> list[Solid]:
    """An object of a random family; in about one of six, some parts are in broken lines."""
    solids = FAMILIES[rng.integers(len(FAMILIES))](rng)
    if rng.random() < 0.17 and len(solids) > 2:
        # Families give their main body first; the rest may be environment.
        kept = int(rng.integers(max(1, len(solids) // 2), len(solids)))
        solids = solids[:kept] + broken(solids[kept:])
    return solids


def draw_design(seed: int, number: int) -> list[Image.Image]:
    """Draw a design.

    Args:
        seed: int >= 0, of the data set.
        number: int >= 0, of the design.

    Returns:
        list of 7 or 8 PIL images of mode "1".
    """
    rng = np.random.default_rng([seed, number])
    solids = random_object(rng)
    style = random_style(rng)
    scene = Scene(solids, style.rulings)
    return [draw(scene, camera, style, rng, figure) for figure, camera in enumerate(patent_views(rng, scene.radius), 1)]
