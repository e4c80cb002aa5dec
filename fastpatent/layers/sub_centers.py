"""Sub-centres: several weights per class, of which the nearest to a sample counts (Deng et al., ECCV 2020)."""

import torch
from torch import nn

from fastpatent.layers.margin import Linear


class SubCenters(nn.Module):
    """A margin classifier on c = max over k of cos(x, W_k), the K class weights of a class in consecutive rows.

    Useful if the images of an identity form several clusters, such as views.

    Args:
        classifier: module of `fastpatent.layers.margin` that takes cosines.
        count: K.
    """

    reads_cosine = True

    def __init__(self, classifier: Linear, count: int) -> None:
        super().__init__()
        self.classifier, self.count = classifier, count
        self.num_classes, self.num_weights = classifier.num_classes, classifier.num_classes * count

    def forward(self, cosine: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return logits float32 [batch, classes] of cosines float [batch, classes * K], see `Linear.forward`."""
        return self.classifier(cosine.unflatten(1, (-1, self.count)).amax(dim=2), targets)

    def extra_repr(self) -> str:
        """Return the settings for the printed model."""
        return f"count={self.count}"
