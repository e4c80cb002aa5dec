"""Networks from images to feature maps, one family a file.

A builder takes the config and returns a module from float [batch, channels, height, width], normalised, to feature maps
[batch, feature_dim, height', width'], with the attributes

- feature_dim: channels of the feature maps;
- memory_format: the layout in which it runs fastest (torch.channels_last for convolutional networks);
- trunk: the module under whose names published ImageNet weights are stored;
- layer_depths: a method as the function below, where layers are not simply the direct children.
"""

from torch import nn

from fastpatent.registry import BACKBONES

__all__ = ["BACKBONES", "depths_by_children", "layer_depths"]


def layer_depths(backbone: nn.Module) -> dict[str, int]:
    """Return {name of a parameter: number of its layer}, 0 the first layer."""
    own = getattr(backbone, "layer_depths", None)
    return own() if own else depths_by_children(backbone)


def depths_by_children(module: nn.Module) -> dict[str, int]:
    """Return {name of a parameter: number of the direct child it is in}, of the children that have parameters."""
    children = {name: name.split(".")[0] for name, _ in module.named_parameters()}
    order = list(dict.fromkeys(children.values()))
    return {name: order.index(child) for name, child in children.items()}
