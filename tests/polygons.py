"""Small drawings for tests: outlines of polygons, whose corners differ a little from view to view of a design."""

import numpy as np
from PIL import Image, ImageDraw


def draw_polygons(designs, views=4, size=64, seed=1, widen=0):
    """Yield (number of the design, number of the view, drawing): PIL images of mode L.

    Args:
        size: of a drawing; each design is `widen` pixels wider than the one before.
        seed: int.
    """
    random = np.random.default_rng(seed)
    for design in range(designs):
        corners = random.integers(4, size - 4, (6, 2))
        for view in range(views):
            sheet = Image.new("L", (size + widen * design, size), 255)
            moved = corners + random.integers(-4, 5, corners.shape)
            ImageDraw.Draw(sheet).polygon([tuple(map(int, corner)) for corner in moved], outline=0)
            yield design, view, sheet


def write_designs(folder, designs, **options):
    """Write `d<design>/<view>.png` of `draw_polygons` below a folder."""
    for design, view, sheet in draw_polygons(designs, **options):
        (folder / f"d{design}").mkdir(parents=True, exist_ok=True)
        sheet.save(folder / f"d{design}" / f"{view}.png")
