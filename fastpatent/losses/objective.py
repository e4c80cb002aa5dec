"""What a model must know of a loss: its name in the log, what it reads, and its weight."""

from dataclasses import dataclass
from typing import Callable

LOGITS, EMBEDDINGS = "logits", "embeddings"


@dataclass(frozen=True)
class Objective:
    """A loss with its settings bound.

    Attributes:
        name: in the log, "loss_cls".
        function: (logits or embeddings, labels) -> scalar.
        reads: LOGITS, a mean over drawings that each process takes over its own; or EMBEDDINGS, a loss over pairs that
            needs the drawings of all processes.
        scale: factor in the sum of losses.
    """

    name: str
    function: Callable
    reads: str
    scale: float = 1.0

    def __call__(self, rows, labels):
        """Return the scaled loss, a scalar."""
        return self.scale * self.function(rows, labels)
