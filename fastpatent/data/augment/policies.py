"""The ImageNet policies of AutoAugment (Cubuk et al., CVPR 2019) as torchvision holds them.

torchvision has no public way to read the table or to ask for one operation of it: all use of its private names is here.
"""

from typing import NamedTuple

from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

BINS = 10  # magnitudes of an operation


class Operation(NamedTuple):
    """One of the operations of the table.

    Attributes:
        name: as torchvision calls it.
        index: of the magnitude, 0 to BINS - 1; None where there is none.
        negative: the magnitude is taken with a minus.
    """

    name: str
    index: int | None
    negative: bool


class Policies:
    """torchvision's `v2.AutoAugment`, taken apart.

    Args:
        fill: grey level of what is uncovered.

    Attributes:
        table: list of policies ((name, probability, magnitude index or None), (name, probability, index)), equally likely.
    """

    def __init__(self, fill=0):
        self._whole = v2.AutoAugment(fill=fill)
        self.table = self._whole._policies

    def is_signed(self, name):
        """Tell whether the magnitude of an operation gets a minus in half of all cases."""
        return self._whole._AUGMENTATION_SPACE[name][1]

    def magnitude(self, operation, height, width):
        """Return an operation's magnitude for images of a size, in the operation's own unit; 0.0 where it has none."""
        magnitudes = self._whole._AUGMENTATION_SPACE[operation.name][0](BINS, height, width)
        if magnitudes is None:
            return 0.0
        return float(magnitudes[operation.index]) * (-1 if operation.negative else 1)

    def apply(self, operation, images):
        """Return images [..., 1, height, width], or a PIL image, after one operation, as v2.AutoAugment itself does it."""
        magnitude = self.magnitude(operation, *functional.get_size(images))
        return self._whole._apply_image_or_video_transform(
            images, operation.name, magnitude, interpolation=self._whole.interpolation, fill=self._whole._fill
        )
