"""Another draughtsman's lines for black-on-white drawings: thicker or thinner ones, and dashes."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from fastpatent.data.augment.random_slots import LINE_SLOTS, Action

PAPER = 255
PERIOD = (0.06, 0.14)  # of dashes: shares of the longer side
GAP = (0.25, 0.4)  # shares of the period
AROUND = 2  # pixels on each side that decide which way a line runs

Filter = Callable[[torch.Tensor], torch.Tensor]


class Lines:
    """Change the lines of each drawing with a probability: all by the same width, and into dashes.

    Dashes run along their lines, so none disappears: gaps are counted by columns where lines are rather horizontal, and by
    rows elsewhere. What is filled over 3 x 3 pixels and more has no gaps.

    Args:
        probability: probability that a drawing is changed.
        width: largest change of the width of its lines, in pixels, at most 2; it is uniform to both sides. Where a line is
            thinner than 2 pixels, thinning makes it paler, by half at 1.
        dash: probability that its lines become dashes.
    """

    slots = LINE_SLOTS

    def __init__(self, probability: float = 0.5, width: float = 1.0, dash: float = 0.0) -> None:
        self.probability, self.width, self.dash = probability, width, dash

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield the Actions for dashes, thicker and thinner lines, if any; `uniforms` float64 [batch, 6]."""
        changes, wider, dashed, period, gap, phase = uniforms.T
        changes = changes < self.probability
        rows = np.flatnonzero(changes & (dashed < self.dash))
        if len(rows):
            periods = max(height, width) * _between(PERIOD, period[rows, None])
            gaps = _between(GAP, gap[rows, None])
            sides = ((np.arange(side) / periods + phase[rows, None]) % 1 < gaps for side in (width, height))
            yield Action(self._interrupt, (rows, *sides))
        wider = self.width * (2 * wider - 1)
        for chosen, filtered in ((wider > 0, thickest), (wider < 0, thinnest)):
            rows = np.flatnonzero(changes & chosen)
            if len(rows):
                yield Action(partial(self._blend, filtered), (rows, np.abs(wider[rows] / 2).astype(np.float32)))

    def _interrupt(
        self, images: torch.Tensor, rows: torch.Tensor, columns_in_gap: torch.Tensor, rows_in_gap: torch.Tensor
    ) -> torch.Tensor:
        chosen = images.index_select(0, rows)
        in_gap = torch.where(run_horizontally(chosen), columns_in_gap[:, None, None], rows_in_gap[:, None, :, None])
        return images.index_copy_(0, rows, torch.where(in_gap, thickest(thinnest(chosen)), chosen))

    def _blend(self, filtered: Filter, images: torch.Tensor, rows: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        chosen = images.index_select(0, rows)
        levels = chosen.float()
        levels += (filtered(chosen) - levels).mul_(shares[:, None, None, None])
        return images.index_copy_(0, rows, levels.round_().to(images.dtype))


def _between(bounds: tuple[float, float], uniform: np.ndarray) -> np.ndarray:
    low, high = bounds
    return low + (high - low) * uniform


def thickest(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 [batch, 1, height, width] with lines thicker by 2 pixels: the darkest level of 3 x 3."""
    return _of_neighbours(images, torch.minimum, PAPER)


def thinnest(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 [batch, 1, height, width] with lines thinner by 2 pixels: the lightest level of 3 x 3."""
    return _of_neighbours(images, torch.maximum, 0)


def _of_neighbours(
    images: torch.Tensor, extreme: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], outside: int
) -> torch.Tensor:
    for dim, padding in ((2, (0, 0, 1, 1)), (3, (1, 1))):
        before, here, after = (
            F.pad(images, padding, value=outside).narrow(dim, start, images.shape[dim]) for start in range(3)
        )
        images = extreme(extreme(before, here), after)
    return images


def run_horizontally(images: torch.Tensor) -> torch.Tensor:
    """Return bool [batch, 1, height, width]: whether levels around a pixel change more from row to row than in a row.

    The sums are of whole numbers below 2**24, so they are the same on every device.
    """
    ink = PAPER - images.float()
    across, down = (F.pad(ink.diff(dim=dim).abs(), padding) for dim, padding in ((3, (1, 0)), (2, (0, 0, 1, 0))))
    side = 2 * AROUND + 1
    down, across = (F.avg_pool2d(change, side, 1, AROUND, divisor_override=1) for change in (down, across))
    return down >= across


class RandomLines(torch.nn.Module):
    """Apply `Lines` to a PIL image of mode L; random numbers from torch's CPU generator.

    Args:
        lines: the step, with its settings.
    """

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        image = torch.from_numpy(np.array(drawing))[None, None]
        uniforms = torch.rand(1, len(self.lines.slots), dtype=torch.float64).numpy()
        for function, arrays in self.lines.plan(uniforms, *image.shape[2:]):
            image = function(image, *map(torch.from_numpy, arrays))
        return Image.fromarray(image[0, 0].numpy())
