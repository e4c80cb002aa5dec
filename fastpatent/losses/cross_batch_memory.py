"""Cross-batch memory (XBM, Wang et al., CVPR 2020): embeddings of previous iterations as additional pairs."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.layers.precision import at_least_float32
from fastpatent.losses.objective import EMBEDDINGS, Objective
from fastpatent.losses.pairs import EMPTY, Past


class _PairHead(Protocol):
    """A head that gives the dimension of its embeddings."""

    pair_dim: int


class EmbeddingMemory(nn.Module):
    """Ring buffer of the newest embeddings and labels, in module buffers, so that a resumed run continues with them.

    The write position and the fill level are device tensors, so no call synchronises with the device.

    Args:
        size: capacity in samples.
        dim: of the embeddings.
        start: number of samples to be added before `past` returns any, because early embeddings drift too fast.
    """

    embeddings: torch.Tensor
    labels: torch.Tensor
    added: torch.Tensor

    def __init__(self, size: int, dim: int, start: int = 0) -> None:
        super().__init__()
        self.start = start
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.full((size,), EMPTY))
        self.register_buffer("added", torch.zeros((), dtype=torch.int64))

    def past(self) -> Past:
        """Return all rows as Past, valid until the next `add`."""
        return Past(self.embeddings, self.labels.masked_fill(self.added < self.start, EMPTY))

    @torch.no_grad()
    def add(self, embeddings: torch.Tensor, labels: torch.Tensor) -> None:
        """Overwrite the oldest rows with a batch of at most `size`; embeddings that are not finite become empty rows.

        Args:
            embeddings: float [batch, dim], of all processes.
            labels: int64 [batch].
        """
        places = (self.added + torch.arange(len(labels), device=labels.device)) % len(self.labels)
        broken = ~embeddings.isfinite().all(dim=1)
        self.embeddings[places] = at_least_float32(embeddings).masked_fill(broken[:, None], 0)
        self.labels[places] = labels.masked_fill(broken, EMPTY)
        self.added += len(labels)


def build_memory(cfg: CfgNode, losses: Sequence[Objective], head: _PairHead) -> EmbeddingMemory | None:
    """Return the EmbeddingMemory of MODEL.LOSSES.XBM; None if disabled.

    Raises:
        ConfigError: no loss compares pairs, or the memory is smaller than a batch.
    """
    settings, batch = cfg.MODEL.LOSSES.XBM, cfg.SOLVER.IMS_PER_BATCH
    if not settings.ENABLED:
        return None
    if not any(loss.reads == EMBEDDINGS for loss in losses):
        names = ", ".join(cfg.MODEL.LOSSES.NAME)
        raise ConfigError(f"MODEL.LOSSES.XBM: no loss compares all pairs; add TripletLoss, CircleLoss or Cosface to {names}")
    if settings.SIZE < batch:
        raise ConfigError(f"MODEL.LOSSES.XBM.SIZE: {settings.SIZE} is less than a batch, SOLVER.IMS_PER_BATCH {batch}")
    return EmbeddingMemory(settings.SIZE, head.pair_dim, settings.START_ITER * batch)
