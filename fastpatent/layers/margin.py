"""Margin-softmax classifiers as in fast-reid: logits from cosines (from plain products for Linear).

The class weights belong to the head. The modules here map products of embeddings and class weights to logits and have no
parameters; half precision is computed in float32.
"""

import math

import torch
from torch import nn

from fastpatent.layers import CLASSIFIERS
from fastpatent.layers.precision import at_least_float32


@CLASSIFIERS.register
class Linear(nn.Module):
    """Plain softmax classifier: the logits are s times the products.

    Args:
        num_classes: number of classes.
        scale: factor s of the logits.
        margin: m, as cosine (Cos, Circle) or angle in radians (Arc); ignored by Linear.

    Attributes:
        reads_cosine: whether `forward` takes cosines instead of plain products.
        num_weights: number of rows of the class weights.
    """

    reads_cosine = False

    def __init__(self, num_classes: int, scale: float = 1.0, margin: float = 0.0) -> None:
        super().__init__()
        self.num_classes, self.scale, self.margin = num_classes, scale, margin
        self.num_weights = num_classes

    def forward(self, products: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logits.

        Args:
            products: float [batch, columns], product or cosine of each embedding with each class weight, or with those of
                the sampled classes.
            targets: int64 [batch], the column of the target class; -1 is no class and receives no margin.

        Returns:
            float32 (float64 for float64) [batch, columns], finite for cosines in -1..1 and slightly beyond (rounding).
        """
        return self.scale * at_least_float32(products)

    @staticmethod
    def at_target(products: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return bool [batch, columns], True at the target class of each row."""
        return targets[:, None] == torch.arange(products.shape[1], device=targets.device)

    def extra_repr(self) -> str:
        """Return the settings for the printed model."""
        return f"num_classes={self.num_classes}, scale={self.scale}, margin={self.margin}"


@CLASSIFIERS.register
class CosSoftmax(Linear):
    """s (c - m) at the target class, s c elsewhere (CosFace, Wang et al., CVPR 2018, eq. 4)."""

    reads_cosine = True

    def forward(self, cosine: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        return self.scale * torch.where(self.at_target(cosine, targets), cosine - self.margin, cosine)


@CLASSIFIERS.register
class ArcSoftmax(Linear):
    """s cos(arccos c + m) at the target class, s c elsewhere (ArcFace, Deng et al., CVPR 2019, eq. 3).

    There is no guard beyond arccos c + m = pi: where c falls below -cos m the logit rises again.

    Args:
        num_classes, scale, margin: see `Linear`.
        easy_margin: apply the margin only where c > 0; elsewhere the logit is s c, with a jump at 0.
    """

    reads_cosine = True

    def __init__(self, num_classes: int, scale: float = 1.0, margin: float = 0.0, easy_margin: bool = False) -> None:
        super().__init__(num_classes, scale, margin)
        self.easy_margin = easy_margin

    def forward(self, cosine: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        # cos(a + m) by the addition theorem: unlike arccos, the clamped sine has a finite slope at c = 1 and -1.
        sine = (1 - cosine * cosine).clamp(min=torch.finfo(cosine.dtype).eps).sqrt()
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        if self.easy_margin:
            shifted = torch.where(cosine > 0, shifted, cosine)
        return self.scale * torch.where(self.at_target(cosine, targets), shifted, cosine)

    def extra_repr(self) -> str:
        """Return the settings for the printed model."""
        return f"{super().extra_repr()}, easy_margin={self.easy_margin}"


@CLASSIFIERS.register
class CircleSoftmax(Linear):
    """Circle loss with class weights (Sun et al., CVPR 2020, eq. 6 and 7).

    s [1 + m - c]+ (c - (1 - m)) at the target class, s [c + m]+ (c - m) elsewhere; no gradient through the brackets.
    """

    reads_cosine = True

    def forward(self, cosine: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        target_weight = (1 + self.margin - cosine.detach()).clamp(min=0)
        other_weight = (cosine.detach() + self.margin).clamp(min=0)
        target_logit = target_weight * (cosine - (1 - self.margin))
        other_logit = other_weight * (cosine - self.margin)
        return self.scale * torch.where(self.at_target(cosine, targets), target_logit, other_logit)
