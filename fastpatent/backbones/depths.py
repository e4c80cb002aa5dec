"""The layers of a backbone in order, for learning rates that fall from the head to the stem."""


def layer_depths(backbone):
    """Return {name of a parameter: number of its layer}, 0 the first layer that drawings pass.

    A backbone may tell it by a method of this name; of others each direct child with parameters is a layer.
    """
    return backbone.layer_depths() if hasattr(backbone, "layer_depths") else depths_by_children(backbone)


def depths_by_children(module):
    """Return {name of a parameter: number of the direct child it is in}, of the children that have parameters."""
    children = {name: name.split(".")[0] for name, _ in module.named_parameters()}
    order = list(dict.fromkeys(children.values()))
    return {name: order.index(child) for name, child in children.items()}
