"""The ImageNet policies of AutoAugment (Cubuk et al., CVPR 2019) as defined by torchvision.

torchvision has no public API for its table or for single operations of it. All uses of its private names are here.
"""

from typing import NamedTuple, overload

import torch
from PIL import Image
from torchvision.transforms import v2

BINS = 10  # number of magnitudes of an operation


class Operation(NamedTuple):
    """An operation of the table.

    Attributes:
        name: torchvision's name.
        index: index of the magnitude, 0 to BINS - 1; None for operations without one.
        negative: whether the magnitude is negated.
    """

    name: str
    index: int | None
    negative: bool


class Policies:
    """The table and the operations of torchvision's `v2.AutoAugment`.

    Args:
        fill: grey level of uncovered areas.

    Attributes:
        table: list of policies ((name, probability, magnitude index or None), (name, probability, index)), equally likely.
    """

    def __init__(self, fill: int = 0) -> None:
        self._whole = v2.AutoAugment(fill=fill)
        self.table = self._whole._policies

    def is_signed(self, name: str) -> bool:
        """Return whether the magnitude of an operation is negated at random, in half of all cases."""
        return self._whole._AUGMENTATION_SPACE[name][1]

    def magnitude(self, operation: Operation, height: int, width: int) -> float:
        """Return an operation's magnitude for images of a size, in the operation's own unit; 0.0 if it has none."""
        magnitudes = self._whole._AUGMENTATION_SPACE[operation.name][0](BINS, height, width)
        if magnitudes is None:
            return 0.0
        return float(magnitudes[operation.index]) * (-1 if operation.negative else 1)

    @overload
    def apply(self, operation: Operation, images: torch.Tensor) -> torch.Tensor: ...

    @overload
    def apply(self, operation: Operation, images: Image.Image) -> Image.Image: ...

    def apply(self, operation: Operation, images: torch.Tensor | Image.Image) -> torch.Tensor | Image.Image:
        """Return images [..., 1, height, width], or a PIL image, after one operation of v2.AutoAugment."""
        width, height = images.size if isinstance(images, Image.Image) else (images.shape[-1], images.shape[-2])
        magnitude = self.magnitude(operation, height, width)
        return self._whole._apply_image_or_video_transform(
            images, operation.name, magnitude, interpolation=self._whole.interpolation, fill=self._whole._fill
        )
