"""Depth of the layers of a backbone, for layer-wise learning-rate decay."""

from torch import nn


def layer_depths(backbone: nn.Module) -> dict[str, int]:
    """Return {parameter name: depth of its layer}, 0 for the first layer.

    A backbone may define a method of this name. Otherwise each direct child with parameters is a layer.
    """
    own = getattr(backbone, "layer_depths", None)
    return depths_by_children(backbone) if own is None else own()


def depths_by_children(module: nn.Module) -> dict[str, int]:
    """Return {parameter name: index of its direct child}, counting only children with parameters."""
    children = {name: name.split(".")[0] for name, _ in module.named_parameters()}
    order = list(dict.fromkeys(children.values()))
    return {name: order.index(child) for name, child in children.items()}
