"""Random windows of padded drawings, and mirroring."""

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.data.augment.draws import CROP_SLOTS, FLIP_SLOTS, Action, whole


class PadAndCrop:
    """Pad a batch on all sides and take a window of the first size from each image, all places equally likely.

    Args:
        padding: pixels on each side.
        mode: constant, edge, reflect or symmetric, as NumPy's `pad` knows them.
        value: grey level of constant padding.
    """

    slots = CROP_SLOTS

    def __init__(self, padding, mode="constant", value=0):
        self.padding, self.mode, self.value = padding, mode, value

    def plan(self, uniforms, height, width):
        """Yield one Action for all images of a batch; `uniforms` float64 [batch, 2]."""
        if self.mode == "constant":
            sources = ()
        else:  # torch pads no integers by mirroring, and no further than an image is wide
            sources = tuple(np.pad(np.arange(side), self.padding, self.mode) for side in (height, width))
        yield Action(self._take, (*whole(uniforms, 2 * self.padding + 1).T, *sources))

    def _take(self, images, tops, lefts, *sources):
        height, width = images.shape[2:]
        if sources:
            padded = images.index_select(2, sources[0]).index_select(3, sources[1])
        else:
            padded = F.pad(images, (self.padding,) * 4, value=self.value)
        windows = padded[:, 0].unfold(1, height, 1).unfold(2, width, 1)  # views [batch, top, left, height, width]
        return windows[torch.arange(len(images), device=images.device), tops, lefts].unsqueeze(1)


class Flip:
    """Mirror images left to right with a probability."""

    slots = FLIP_SLOTS

    def __init__(self, probability=0.5):
        self.probability = probability

    def plan(self, uniforms, height, width):
        """Yield an Action for the images to mirror, if any; `uniforms` float64 [batch, 1]."""
        rows = np.flatnonzero(uniforms[:, 0] < self.probability)
        if len(rows):
            yield Action(self._mirror, (rows,))

    def _mirror(self, images, rows):
        return images.index_copy_(0, rows, images.index_select(0, rows).flip(3))
