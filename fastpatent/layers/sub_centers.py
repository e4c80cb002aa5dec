"""Sub-centres: several class weights an identity, of which each drawing meets the nearest (Deng et al., ECCV 2020)."""

from torch import nn


class SubCenters(nn.Module):
    """A margin classifier on c = max over k of cos(x, W_k), the K class weights of a class in consecutive rows.

    An identity whose drawings fall into several views need not squeeze them around one centre.

    Args:
        classifier: one of `fastpatent.layers.margin` that reads cosines.
        count: K.
    """

    reads_cosine = True

    def __init__(self, classifier, count):
        super().__init__()
        self.classifier, self.count = classifier, count
        self.num_classes, self.num_weights = classifier.num_classes, classifier.num_classes * count

    def forward(self, cosine, targets):
        """Return the logits float32 [batch, classes] of cosines float [batch, classes * K], see `Linear.forward`."""
        return self.classifier(cosine.unflatten(1, (-1, self.count)).amax(dim=2), targets)

    def extra_repr(self):
        """Describe the sub-centres inside a printed model."""
        return f"count={self.count}"
