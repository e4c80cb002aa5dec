"""Contrast and sharpness of grey batches: torchvision's arithmetic, in operations that need no host and no neighbour.

torchvision's sharpness copies its kernel to the device and waits; its contrast adds up an image's pixels in an order that
depends on the batch.
"""

import torch


def adjust_contrast(images, factor):
    """Move grey levels away from (factor above 1) or towards the mean of their image.

    Args:
        images: uint8 [batch, 1, height, width].
        factor: at least 0.

    Returns:
        uint8 of the same shape.
    """
    total = images.sum((1, 2, 3), keepdim=True).float()
    mean = total / torch.full_like(total, images[0].numel())  # a card would multiply by the inverse of a plain number
    return _to_grey(images.mul(factor).add_(mean.mul(1 - factor)))


def adjust_sharpness(images, factor):
    """Move the pixels inside the border away from (factor above 1) or towards the smoothed image.

    Smooth is the 3 x 3 mean in which the middle counts five times; images of at most two pixels a side stay as they are.

    Args:
        images: uint8 [batch, 1, height, width].
        factor: at least 0.

    Returns:
        uint8 of the same shape.
    """
    height, width = images.shape[2:]
    if min(height, width) <= 2:
        return images
    levels = images.float()
    inside = levels[..., 1:-1, 1:-1]
    columns = levels[..., :-2] + levels[..., 1:-1] + levels[..., 2:]
    smooth = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:] + 4 * inside
    smooth = smooth.mul_(1 / 13).round_()
    inside += smooth.sub_(inside).mul_(1 - factor)
    return _to_grey(levels)


def _to_grey(levels):
    return levels.clamp_(0, 255).to(torch.uint8)
