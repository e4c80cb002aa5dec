"""Contrast and sharpness of grey batches: torchvision's arithmetic, without host synchronisation or batch dependence.

torchvision's sharpness copies its kernel to the device and waits for it; its contrast sums the pixels of an image in an
order that depends on the batch.
"""

import torch


def adjust_contrast(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Move grey levels away from (factor above 1) or towards the mean of their image.

    Args:
        images: uint8 [batch, 1, height, width].
        factor: at least 0.

    Returns:
        uint8 of the same shape.
    """
    total = images.sum((1, 2, 3), keepdim=True).float()
    mean = total / torch.full_like(total, images[0].numel())  # a GPU multiplies by the reciprocal of a scalar
    return _to_grey(images.mul(factor).add_(mean.mul(1 - factor)))


def adjust_sharpness(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Move all but the border pixels away from (factor above 1) or towards the smoothed image.

    The smoothing is a 3 x 3 mean with weight 5 for the centre. Images with a side of at most two pixels are not changed.

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


def _to_grey(levels: torch.Tensor) -> torch.Tensor:
    return levels.clamp_(0, 255).to(torch.uint8)
