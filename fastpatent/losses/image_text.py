"""Image-text losses: softmax (Radford et al., ICML 2021) and sigmoid (Zhai et al., ICCV 2023, eq. 1).

With several positive pairs per row, the softmax targets are uniform over them (Khosla et al., NeurIPS 2020, eq. 2), and
the sigmoid has that many positive labels.
"""

import torch
import torch.nn.functional as F

from fastpatent.layers.precision import at_least_float32, without_autocast


def positive_pairs(labels: torch.Tensor) -> torch.Tensor:
    """Return the positive image-text pairs, bool [batch, batch]: the image's own text and all texts of the same label.

    Args:
        labels: int [batch], of patents or classes; below 0: unknown, only the own text is positive.
    """
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return own | ((labels[:, None] == labels) & (labels >= 0))


def clip_loss(
    image_features: torch.Tensor,
    text_features: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None = None,
    positive: torch.Tensor | None = None,
) -> torch.Tensor:
    """Classify, for every image, its texts among those of the batch, and for every text its images.

    Args:
        image_features, text_features: float [batch, dim], any norm; compared by cosine. Row i of both is a pair.
        scale: float scalar or [1], the inverse temperature.
        bias: float scalar or [1], added to every logit, without effect on the softmax; None: 0.
        positive: bool [batch, batch], symmetric, the positive pairs; None: only row i with row i, as published.

    Returns:
        scalar float32 (float64 for float64): the mean of the cross entropies of both directions, with targets uniform over
        the positive pairs of a row.
    """
    logits = _logits(image_features, text_features, scale, bias)
    if positive is None:
        targets = torch.arange(len(logits), device=logits.device)
    else:
        targets = positive.to(logits.dtype) / positive.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def siglip_loss(
    image_features: torch.Tensor,
    text_features: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None = None,
    positive: torch.Tensor | None = None,
) -> torch.Tensor:
    """Classify every pair of the batch independently as positive or negative.

    Args:
        as `clip_loss`; here the bias has an effect.

    Returns:
        scalar float32 (float64 for float64): the sum of the logistic losses of all pairs, divided by the batch size.
    """
    logits = _logits(image_features, text_features, scale, bias)
    if positive is None:
        positive = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return -F.logsigmoid(torch.where(positive, logits, -logits)).sum() / len(logits)


def _logits(
    image_features: torch.Tensor, text_features: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    with without_autocast(image_features):
        images, texts = (F.normalize(at_least_float32(rows)) for rows in (image_features, text_features))
        logits = scale * images @ texts.T
        return logits if bias is None else logits + bias
