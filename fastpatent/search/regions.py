"""Which regions of two drawings the network of an index finds most alike."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from fastpatent.data.records import Sample
from fastpatent.evaluation.analysis.regions import DARK, match_patches
from fastpatent.evaluation.pipeline import Pipeline

GRID = 7  # cells along a side of a drawing's ink
CONTEXT = 3  # cells along a side of a crop, with the cell that it describes in its middle
SHOWN = 2  # cells along a side of a region
APART = 1.5  # cells between the centres of two regions; those that are closer are one
CELL = 96  # pixels: a crop has 288
MOST = 8
Box = tuple[float, float, float, float]


class Pair(NamedTuple):
    """Two regions that are each other's nearest: left, top, width and height as shares of the drawings, and their cosine."""

    first: Box
    second: Box
    cosine: float


def matching_regions(pipeline: Pipeline, first: Image.Image, second: Image.Image, most: int = MOST) -> list[Pair]:
    """Return the best pairs of regions of two drawings, the highest cosine first; none where one has no ink.

    Each cell with ink of a grid over a drawing's ink is described by the features of a crop around it, and mutual nearest
    cells are pairs (`match_patches`). As crops are images like all others, every network and descriptor can do this.

    Args:
        pipeline: that describes the crops.
        first, second: of mode L, black on white.
        most: how many pairs.
    """
    one, two = _Grid(first, "first"), _Grid(second, "second")
    samples = [*one.crops(), *two.crops()]
    if not one.cells or not two.cells:
        return []
    features = pipeline.embed_images(samples, "regions of two drawings")
    assert features is not None, "one process extracts everything"
    maps = one.map(features[: len(one.cells)]), two.map(features[len(one.cells) :])
    found: list[Pair] = []
    centres: list[tuple[np.ndarray, np.ndarray]] = []
    for match in match_patches(one.pixels, maps[0], two.pixels, maps[1], most=GRID**2):
        centre = np.array(match.first), np.array(match.second)
        boxes = one.box(match.first), two.box(match.second)
        far = all(np.abs(a - b).max() >= APART * CELL for other in centres for a, b in zip(centre, other))
        if far and boxes[0] and boxes[1]:
            centres.append(centre)
            found.append(Pair(boxes[0], boxes[1], match.cosine))
    return found[:most]


class _Grid:
    """A drawing's ink in a white square of GRID x GRID cells.

    Attributes:
        pixels: uint8 [1, height, width] of the square.
        cells: (row, column) of those with ink.
    """

    def __init__(self, drawing: Image.Image, name: str) -> None:
        self._name, self._size = name, drawing.size
        ink = _ink(drawing)
        side = max(ink[2] - ink[0], ink[3] - ink[1])
        self._corner = np.array([ink[0] + ink[2] - side, ink[1] + ink[3] - side]) / 2
        self._scale = side / (GRID * CELL)  # pixels of the drawing by those of the square
        part = drawing.crop(ink)
        width, height = (max(1, round(length / self._scale)) for length in part.size)
        self._square = Image.new("L", (GRID * CELL, GRID * CELL), 255)
        place = (GRID * CELL - width) // 2, (GRID * CELL - height) // 2
        self._square.paste(part.resize((width, height), Image.Resampling.BOX), place)
        self.pixels = torch.from_numpy(np.array(self._square))[None]
        dark = np.asarray(self._square).reshape(GRID, CELL, GRID, CELL).min(axis=(1, 3)) < DARK
        self.cells = [(int(row), int(column)) for row, column in np.argwhere(dark)]

    def crops(self) -> list[Sample]:
        """Return the crop around each cell."""
        margin = (CONTEXT - 1) // 2 * CELL
        padded = Image.new("L", (GRID * CELL + 2 * margin, GRID * CELL + 2 * margin), 255)
        padded.paste(self._square, (margin, margin))
        side = CONTEXT * CELL
        corners = [(column * CELL, row * CELL) for row, column in self.cells]
        crops = [padded.crop((left, top, left + side, top + side)) for left, top in corners]
        return [Sample(f"{self._name} {place}", None, image=crop) for place, crop in enumerate(crops)]

    def map(self, features: np.ndarray) -> torch.Tensor:
        """Return float32 [dim, GRID, GRID] of the features of the crops, 0 where there is no ink."""
        found = torch.zeros(features.shape[1], GRID, GRID)
        rows, columns = zip(*self.cells)
        found[:, list(rows), list(columns)] = torch.from_numpy(features).float().T
        return found

    def box(self, centre: tuple[float, float]) -> Box | None:
        """Return the ink of a region as shares of the drawing, by the region's centre in the square.

        None where it is smaller than a cell in both directions, as captions are.
        """
        left, top = (max(round(middle - SHOWN * CELL / 2), 0) for middle in centre)
        part = self._square.crop((left, top, left + SHOWN * CELL, top + SHOWN * CELL))
        ink = np.array(_ink(part), float) + [left, top, left, top]
        if max(ink[2] - ink[0], ink[3] - ink[1]) < CELL:
            return None
        corners = np.tile(self._corner, 2) + ink * self._scale
        low, high = (np.clip(corner / self._size, 0, 1).tolist() for corner in (corners[:2], corners[2:]))
        return low[0], low[1], high[0] - low[0], high[1] - low[1]


def _ink(drawing: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of what is dark, as PIL's, of all where nothing is."""
    return Image.fromarray(np.asarray(drawing) < DARK).getbbox() or (0, 0, *drawing.size)
