"""Classifiers whose softmax asks the right class for a margin: logits from cosines (or from plain products for Linear).

The class weights live in the head. Each class here turns its products with the embeddings into logits and holds no
parameter; half precision is computed in float32.
"""

import math

import torch
from torch import nn

from fastpatent.layers import CLASSIFIERS
from fastpatent.layers.precision import at_least_float32


@CLASSIFIERS.register
class Linear(nn.Module):
    """Plain softmax classifier: the products are the logits.

    Args:
        num_classes: rows of the class weights.
        scale: factor s of the logits; not used by Linear, which keeps the common arguments.
        margin: m, in cosine (Cos, Circle) or radian (Arc); not used by Linear.

    Attributes:
        reads_cosine: True where `forward` takes cosines, False where it takes plain products.
    """

    reads_cosine = False

    def __init__(self, num_classes, scale=1.0, margin=0.0):
        super().__init__()
        self.num_classes, self.scale, self.margin = num_classes, scale, margin

    def forward(self, products, targets):
        """Return the logits.

        Args:
            products: float [batch, num_classes], product or cosine of each embedding with each class weight.
            targets: int64 [batch], the right class; a row of -1 has none and receives no margin.

        Returns:
            float32 (float64 for float64) [batch, num_classes], finite for every cosine in -1..1 and a rounding beyond.
        """
        return at_least_float32(products)

    def is_target(self, targets):
        """Return bool [batch, num_classes], True at the right class of each row."""
        return targets[:, None] == torch.arange(self.num_classes, device=targets.device)

    def extra_repr(self):
        """Describe the classifier inside a printed model."""
        return f"num_classes={self.num_classes}, scale={self.scale}, margin={self.margin}"


@CLASSIFIERS.register
class CosSoftmax(Linear):
    """s (c - m) at the right class, s c elsewhere (CosFace, Wang et al., CVPR 2018, eq. 4)."""

    reads_cosine = True

    def forward(self, cosine, targets):
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        return self.scale * torch.where(self.is_target(targets), cosine - self.margin, cosine)


@CLASSIFIERS.register
class ArcSoftmax(Linear):
    """s cos(arccos c + m) at the right class, s c elsewhere (ArcFace, Deng et al., CVPR 2019, eq. 3).

    Past arccos c + m = pi the cosine would rise again and reward the worst drawings. From there on the logit falls on
    along the straight line s (c + cos m - 1), which meets the curve at s cos(pi), so it never rises or jumps.
    """

    reads_cosine = True

    def forward(self, cosine, targets):
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        # cos(a + m) by the addition theorem: unlike arccos, the floored sine has a finite slope at c = 1 and -1.
        sine = (1 - cosine * cosine).clamp(min=torch.finfo(cosine.dtype).eps).sqrt()
        inside = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        beyond = cosine + math.cos(self.margin) - 1
        shifted = torch.where(cosine >= -math.cos(self.margin), inside, beyond)
        return self.scale * torch.where(self.is_target(targets), shifted, cosine)


@CLASSIFIERS.register
class CircleSoftmax(Linear):
    """Circle loss with class weights (Sun et al., CVPR 2020, eq. 6 and 7).

    s [1 + m - c]+ (c - (1 - m)) at the right class, s [c + m]+ (c - m) elsewhere; no gradient through the brackets.
    """

    reads_cosine = True

    def forward(self, cosine, targets):
        """See `Linear.forward`."""
        cosine = at_least_float32(cosine)
        target_weight = (1 + self.margin - cosine.detach()).clamp(min=0)
        other_weight = (cosine.detach() + self.margin).clamp(min=0)
        target_logit = target_weight * (cosine - (1 - self.margin))
        other_logit = other_weight * (cosine - self.margin)
        return self.scale * torch.where(self.is_target(targets), target_logit, other_logit)
