"""What a model must know of a loss: its name in the log, what it reads, and its weight."""

from dataclasses import dataclass
from typing import Callable

LOGITS, EMBEDDINGS, TUPLES, DOMAINS = "logits", "embeddings", "tuples", "domains"


@dataclass(frozen=True)
class Objective:
    """A loss with its settings bound.

    Attributes:
        name: in the log, "loss_cls".
        function: (logits or embeddings, labels) -> scalar, with more arguments as `reads` says.
        reads: LOGITS, a mean over drawings that each process takes over its own; or a loss that needs the embeddings of all
            processes: EMBEDDINGS, over all pairs, with `past` where there is a memory of past drawings (see
            `fastpatent.losses.memory`); TUPLES, over drawings whose order in the batch counts; DOMAINS, with `domains`.
        scale: factor in the sum of losses.
    """

    name: str
    function: Callable
    reads: str
    scale: float = 1.0

    def __call__(self, rows, labels, **more):
        """Return the scaled loss, a scalar."""
        return self.scale * self.function(rows, labels, **more)
