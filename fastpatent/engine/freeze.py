"""Parts of a network that stay as they are for the first iterations."""

from fastpatent.errors import ConfigError, nearest


class Freezer:
    """Holds the named children of a model still until `iterations` have passed.

    Frozen parameters ask for no gradient, so nothing of them is computed in the backward pass; normalisation layers
    go on gathering running statistics. Parameters that never learn (a BN neck's bias) stay as they are when released.

    Args:
        model: the network.
        layers: names of its direct children (MODEL.FREEZE_LAYERS).
        iterations: how long (SOLVER.FREEZE_ITERS); 0 freezes nothing.
    """

    def __init__(self, model, layers, iterations):
        children = dict(model.named_children())
        layers = [name for name in layers if name]
        for name in layers:
            if name not in children:
                raise ConfigError(f"MODEL.FREEZE_LAYERS: the network has no part {name!r}{nearest(name, children)}")
        self.iterations = iterations if layers else 0
        self.parameters = [p for name in layers for p in children[name].parameters() if p.requires_grad]
        self.frozen = False

    def update(self, iteration):
        """Freeze or release for `iteration`, counted from 0; return whether anything changed."""
        wanted = iteration < self.iterations
        if wanted == self.frozen:
            return False
        for parameter in self.parameters:
            parameter.requires_grad_(not wanted)
            parameter.grad = None
        self.frozen = wanted
        return True
