"""What a model needs to know about a loss: its name in the log, its inputs and its weight."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fastpatent.losses.pairs import Past

LOGITS, EMBEDDINGS, TUPLES, DOMAINS = "logits", "embeddings", "tuples", "domains"


@dataclass(frozen=True)
class Objective:
    """A loss function with its settings bound.

    Attributes:
        name: in the log, such as "loss_cls".
        function: (logits or embeddings, labels) -> scalar, with further arguments by `reads`.
        reads: LOGITS: logits; a mean over samples, which each process computes on its own. The others take the embeddings
            of all processes. EMBEDDINGS: over all pairs, with `past` if there is a memory (see
            `fastpatent.losses.cross_batch_memory`). TUPLES: over samples whose position in the batch gives their role.
            DOMAINS: with `domains`.
        scale: weight in the sum of losses.
    """

    name: str
    function: Callable[..., torch.Tensor]
    reads: str
    scale: float = 1.0

    def __call__(self, rows: torch.Tensor, labels: torch.Tensor | None, **more: torch.Tensor | Past) -> torch.Tensor:
        """Return the scaled loss, a scalar."""
        return self.scale * self.function(rows, labels, **more)
