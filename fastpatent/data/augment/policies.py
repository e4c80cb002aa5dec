"""The ImageNet policies of AutoAugment (Cubuk et al., CVPR 2019) with the magnitudes of fast-reid, which are timm's.

torchvision has no public API for its table of the policies; the only use of that private name is here.
"""

from collections.abc import Callable
from typing import NamedTuple, overload

import numpy as np
import torch
from PIL import Image

from fastpatent.data.augment.moves import source_matrix
from fastpatent.data.augment.random_slots import AUTOAUGMENT_SLOTS, whole

WITHOUT_EFFECT = ("Color",)  # grey images have no saturation
MAGNITUDES: dict[str, Callable[[int], float]] = {
    "Rotate": lambda level: 3.0 * level,  # degrees
    "ShearX": lambda level: 0.03 * level,  # columns per row
    "Posterize": lambda level: 4 + 4 * level // 10,  # bits of a grey level that stay
    "Solarize": lambda level: 256 * level // 10,  # grey levels from here on are inverted
    "Contrast": lambda level: 0.1 + 0.18 * level,  # factor
    "Sharpness": lambda level: 0.1 + 0.18 * level,  # factor
}
MOVES = ("Rotate", "ShearX")  # every pixel is interpolated at another place, or filled
FUNCTIONS = {  # of torchvision, which takes seconds to import
    "AutoContrast": "autocontrast",
    "Contrast": "adjust_contrast",
    "Equalize": "equalize",
    "Invert": "invert",
    "Posterize": "posterize",
    "Sharpness": "adjust_sharpness",
    "Solarize": "solarize",
}


class Operation(NamedTuple):
    """An operation of the table.

    Attributes:
        name: of the paper.
        level: of the magnitude, 0 to 9; None for operations without one.
        negative: whether the magnitude is negated; MOVES only.
        bicubic: whether pixels are interpolated so, and not bilinearly; MOVES only.
    """

    name: str
    level: int | None
    negative: bool = False
    bicubic: bool = False

    @property
    def magnitude(self) -> float:
        """The magnitude in the operation's own unit, see MAGNITUDES; 0 for operations without one."""
        return 0 if self.level is None else MAGNITUDES[self.name](self.level) * (-1 if self.negative else 1)


class Policies:
    """The table of the paper, and the random choice of operations from it.

    Attributes:
        table: list of policies ((name, probability, level or None), (name, probability, level)), equally likely.
        operations: every Operation that can occur, in the order of their numbers.
    """

    def __init__(self) -> None:
        from torchvision.transforms import v2

        self.table = v2.AutoAugment()._policies
        self._chances = np.array([[chance for _, chance, _ in policy] for policy in self.table])
        self._numbers = np.full((len(self.table), 2, 2, 2), -1)  # by policy, stage, sign and filter
        numbers: dict[Operation, int] = {}
        for policy, stage, negative, bicubic in np.ndindex(self._numbers.shape):
            name, _, level = self.table[policy][stage]
            if name not in WITHOUT_EFFECT:
                operation = Operation(name, level, *((bool(negative), bool(bicubic)) if name in MOVES else ()))
                self._numbers[policy, stage, negative, bicubic] = numbers.setdefault(operation, len(numbers))
        self.operations = list(numbers)

    def choose(self, uniforms: np.ndarray, probability: float) -> np.ndarray:
        """Return the numbers of the operations of each image, int64 [batch, 2] in their order; -1 is none.

        Args:
            uniforms: float64 [batch, 8]: for applying a policy, its choice, its two operations, their signs and filters.
            probability: probability that an image gets a policy.
        """
        policy = whole(uniforms[:, 1], len(self.table))[:, None]
        applies = (uniforms[:, :1] < probability) & (uniforms[:, 2:4] < self._chances[policy[:, 0]])
        negative, bicubic = whole(uniforms[:, 4:6], 2), whole(uniforms[:, 6:8], 2)
        return np.where(applies, self._numbers[policy, np.arange(2), negative, bicubic], -1)


@overload
def apply(operation: Operation, images: torch.Tensor, fill: int) -> torch.Tensor: ...


@overload
def apply(operation: Operation, images: Image.Image, fill: int) -> Image.Image: ...


def apply(operation: Operation, images: torch.Tensor | Image.Image, fill: int) -> torch.Tensor | Image.Image:
    """Return images after one operation.

    Args:
        operation: one of MOVES for a PIL image only; see `moves.move` for batches.
        images: uint8 [..., 1, height, width], or a PIL image of mode L.
        fill: grey level of uncovered areas.
    """
    from torchvision.transforms.v2 import functional

    if isinstance(images, Image.Image) and operation.name in MOVES:
        resampling = Image.Resampling.BICUBIC if operation.bicubic else Image.Resampling.BILINEAR
        matrix = source_matrix(operation.name, operation.magnitude, images.height, images.width)
        return images.transform(images.size, Image.Transform.AFFINE, matrix, resampling, fillcolor=fill)
    amount = () if operation.level is None else (operation.magnitude,)
    return getattr(functional, FUNCTIONS[operation.name])(images, *amount)


class RandomPolicy(torch.nn.Module):
    """Apply a random policy to a PIL image of mode L, with a probability; random numbers from torch's CPU generator.

    Args:
        probability: probability that an image gets a policy.
        fill: grey level of uncovered areas.
    """

    def __init__(self, probability: float, fill: int) -> None:
        super().__init__()
        self.probability, self.fill, self.policies = probability, fill, Policies()

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        uniforms = torch.rand(1, len(AUTOAUGMENT_SLOTS), dtype=torch.float64).numpy()
        for number in self.policies.choose(uniforms, self.probability)[0]:
            if number >= 0:
                drawing = apply(self.policies.operations[number], drawing, self.fill)
        return drawing
