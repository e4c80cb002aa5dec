"""Losses between drawings and texts: softmax (Radford et al., ICML 2021) and sigmoid (Zhai et al., ICCV 2023, eq. 1).

With more than one right pair a row, the softmax is asked for all of them alike (Khosla et al., NeurIPS 2020, eq. 2), and the
sigmoid has that many positive labels.
"""

import torch
import torch.nn.functional as F

from fastpatent.layers.precision import at_least_float32, without_autocast


def positive_pairs(labels):
    """Return which pairs of drawing and text are right, bool [batch, batch]: the own one and all of the same label.

    Args:
        labels: int [batch], of patents or classes; below 0 where it is not known: right is only the own text.
    """
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return own | ((labels[:, None] == labels) & (labels >= 0))


def clip_loss(image_features, text_features, scale, bias=None, positive=None):
    """Ask every drawing for its texts among those of the batch, and every text for its drawings.

    Args:
        image_features, text_features: float [batch, dim], any norm; compared by cosine. Row i of one belongs to row i of the
            other.
        scale: float scalar or [1], the inverse temperature.
        bias: float scalar or [1], added to every logit, which no softmax sees; None: none.
        positive: bool [batch, batch], symmetric, which pairs are right; None: only row i with row i, as published.

    Returns:
        scalar float32 (float64 for float64): the mean of the cross entropies of both directions, against targets that are
        the same for all right pairs of a row.
    """
    logits = _logits(image_features, text_features, scale, bias)
    if positive is None:
        targets = torch.arange(len(logits), device=logits.device)
    else:
        targets = positive.to(logits.dtype) / positive.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def siglip_loss(image_features, text_features, scale, bias=None, positive=None):
    """Ask of every pair of the batch by itself whether it is a right one.

    Args:
        as `clip_loss`.

    Returns:
        scalar float32 (float64 for float64): the sum of the logistic losses of all pairs over the number of drawings.
    """
    logits = _logits(image_features, text_features, scale, bias)
    if positive is None:
        positive = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return -F.logsigmoid(torch.where(positive, logits, -logits)).sum() / len(logits)


def _logits(image_features, text_features, scale, bias):
    with without_autocast(image_features):
        images, texts = (F.normalize(at_least_float32(rows)) for rows in (image_features, text_features))
        logits = scale * images @ texts.T
        return logits if bias is None else logits + bias
