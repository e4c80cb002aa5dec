"""Parts of a network that are frozen for the first iterations."""

from collections.abc import Sequence

from torch import nn

from fastpatent.errors import ConfigError, nearest


class Freezer:
    """Freezes the named children of a model until `iterations` have passed.

    Frozen parameters need no gradient, so the backward pass computes nothing for them. Frozen parts are in evaluation mode:
    their batch norms use their running statistics and leave them as they are. Parameters that are never trained (a BN neck's
    bias) stay frozen when the others are released.

    Args:
        model: the network.
        layers: names of its direct children (MODEL.FREEZE_LAYERS).
        iterations: how long (SOLVER.FREEZE_ITERS); 0 freezes nothing.

    Attributes:
        parameters: those that are frozen at first and trained later.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], iterations: int) -> None:
        children = dict(model.named_children())
        layers = [name for name in layers if name]
        for name in layers:
            if name not in children:
                raise ConfigError(f"MODEL.FREEZE_LAYERS: the network has no part {name!r}{nearest(name, children)}")
        self.iterations = iterations if layers else 0
        self.model, self.parts = model, [children[name] for name in layers] if iterations else []
        self.parameters = [p for part in self.parts for p in part.parameters() if p.requires_grad]
        self.frozen = False

    def update(self, iteration: int) -> bool:
        """Freeze or release for `iteration`, counted from 0; return whether anything changed."""
        wanted = iteration < self.iterations
        for part in self.parts:
            if wanted and part.training:  # also after an evaluation, which puts the whole network back into training mode
                part.eval()
        if wanted == self.frozen:
            return False
        for parameter in self.parameters:
            parameter.requires_grad_(not wanted)
            parameter.grad = None
        self.frozen = wanted
        if not wanted:
            self.model.train()
        return True
