"""The resize of test images in tensor arithmetic alone, so that an exported file can carry it."""

import torch
from yacs.config import CfgNode

from fastpatent.data.image import inverts
from fastpatent.data.transforms import LONGEST, PAPER
from fastpatent.errors import ConfigError

FIXED_POINT = 2**22  # PIL rounds weights to multiples of 1 / this


class Fit(torch.nn.Module):
    """Fit an image of any size as `build_resize` does with PIL, to the same grey levels.

    PIL's resize is two matrix products, across and down, each rounded to uint8. Weights are multiples of 2^-22, so that
    float64, unlike float32, computes the sums exactly, in any order.

    Args:
        size: (height, width).
        how: stretch, or a value of INPUT.FIT other than shorter, whose results differ in shape.
        interpolation: bicubic or bilinear.
    """

    def __init__(self, size: tuple[int, int], how: str = "stretch", interpolation: str = "bicubic") -> None:
        super().__init__()
        self.size, self.how, self.interpolation = size, how, interpolation

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Take and return uint8 [height, width], 0 ink .. 255 paper."""
        if self.how == "native":
            return image
        places = [torch.arange(length, dtype=torch.float64) + 0.5 for length in image.shape]
        sides = torch.stack([place[-1] + 0.5 for place in places])
        fitted = window = torch.tensor(self.size, dtype=torch.float64)
        if self.how == "paper":
            fitted = (sides * (window / sides).min()).round().clamp(min=1).minimum(window)
        elif self.how == "crop":
            fitted = (min(self.size) * sides / sides.min()).floor().clamp(max=LONGEST)
        before = torch.where(fitted < window, ((window - fitted) / 2).floor(), -((fitted - window) / 2).round())
        rows, columns = (torch.arange(count, dtype=torch.float64) - start for count, start in zip(self.size, before))
        across = _rounded(image.double() @ self._weights(places[1], sides[1], columns, fitted[1]).T)
        down = _rounded(self._weights(places[0], sides[0], rows, fitted[0]) @ across)
        inside = ((rows >= 0) & (rows < fitted[0]))[:, None] & (columns >= 0) & (columns < fitted[1])
        return torch.where(inside, down, PAPER).to(torch.uint8)

    def _weights(self, place: torch.Tensor, side: torch.Tensor, to: torch.Tensor, fitted: torch.Tensor) -> torch.Tensor:
        """Return float64 [pixels of the result, pixels of the image] of one direction.

        Args:
            place: centres of the image's pixels, [side].
            side: of the image.
            to: numbers of the result's pixels among those of the resized image; any row outside.
            fitted: side of the resized image.
        """
        scale = side / fitted
        distance = (place - (to[:, None] + 0.5) * scale).abs() / scale.clamp(min=1)
        weights = _bicubic(distance) if self.interpolation == "bicubic" else (1 - distance).clamp(min=0)
        return (weights / weights.sum(1, keepdim=True) * FIXED_POINT).round() / FIXED_POINT


def _bicubic(distance: torch.Tensor) -> torch.Tensor:
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = (((5 - distance) * distance - 8) * distance + 4) / 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))


def _rounded(grey: torch.Tensor) -> torch.Tensor:
    return (grey + 0.5).floor().clamp(0, 255)


def build_fit(cfg: CfgNode) -> Fit:
    """Return the Fit of INPUT.SIZE_TEST.

    Raises:
        ConfigError: INPUT asks for what a Fit does not do.
    """
    given = cfg.INPUT
    how = given.FIT if given.KEEP_ASPECT else "stretch"
    for setting, asked in (
        ("FIT: shorter", how == "shorter"),
        ("CROP.ENABLED: True", given.CROP.ENABLED),
        ("INVERT: auto", inverts(cfg)),
    ):
        if asked:
            raise ConfigError(
                f"INPUT.{setting} cannot be part of an exported file; export with --fitted and apply it outside"
            )
    return Fit(tuple(given.SIZE_TEST), how, given.INTERPOLATION)
