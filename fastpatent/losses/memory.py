"""Cross-batch memory (XBM, Wang et al., CVPR 2020): embeddings of past steps, with which a batch is compared too."""

import torch
from torch import nn

from fastpatent.errors import ConfigError
from fastpatent.layers.precision import at_least_float32
from fastpatent.losses.objective import EMBEDDINGS
from fastpatent.losses.pairs import EMPTY, Past


class EmbeddingMemory(nn.Module):
    """A ring of the newest embeddings and labels, in buffers, so that a resumed run compares with the same ones.

    What is where, and how much, is known on the device alone: nothing here waits for it.

    Args:
        size: drawings that it holds.
        dim: of their embeddings.
        start: how many drawings must have been added before `past` gives any; early embeddings drift too fast to compare
            with.
    """

    def __init__(self, size, dim, start=0):
        super().__init__()
        self.start = start
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.full((size,), EMPTY))
        self.register_buffer("added", torch.zeros((), dtype=torch.int64))

    def past(self):
        """Return all rows as Past; they may be written over as soon as a loss has been computed from them."""
        return Past(self.embeddings, self.labels.masked_fill(self.added < self.start, EMPTY))

    @torch.no_grad()
    def add(self, embeddings, labels):
        """Write the drawings of a batch, at most `size`, over the oldest; what is not finite leaves an empty row.

        Args:
            embeddings: float [batch, dim], of all processes.
            labels: int64 [batch].
        """
        places = (self.added + torch.arange(len(labels), device=labels.device)) % len(self.labels)
        broken = ~embeddings.isfinite().all(dim=1)
        self.embeddings[places] = at_least_float32(embeddings).masked_fill(broken[:, None], 0)
        self.labels[places] = labels.masked_fill(broken, EMPTY)
        self.added += len(labels)


def build_memory(cfg, losses, head):
    """Return the EmbeddingMemory of MODEL.LOSSES.XBM for a list of Objective and a head with `pair_dim`; None if off.

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
