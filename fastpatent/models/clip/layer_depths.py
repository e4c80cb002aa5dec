"""The layers of open_clip's towers in order, for learning rates that fall from the output to the input."""

import re

from timm.models import group_parameters
from torch import nn

BLOCK = re.compile(r"(?:^|\.)(?:resblocks|blocks|layers?|layer(?P<stage>\d))\.(?P<number>\d+)\.")
# Behind the last block: projections, last norms, poolings, and the head of a timm trunk.
LAST = ("proj", "text_projection", "ln_post", "ln_final", "attnpool", "attn_pool", "head", "pooler")


def tower_layer_depths(tower: nn.Module) -> dict[str, int]:
    """Return {name of a parameter: number of its layer}, 0 the first layer.

    Embeddings and the stem are layer 0, each block is a layer, and what follows the blocks is the last. The trunk of a timm
    tower has the layers that timm names.
    """
    trunk = getattr(tower, "trunk", None)
    if trunk is not None and hasattr(trunk, "group_matcher"):
        depths = group_parameters(trunk, trunk.group_matcher(coarse=False), reverse=True)
        inside = {f"trunk.{name}": depth for name, depth in depths.items()}
        last = max(inside.values(), default=-1) + 1
        return {name: inside.get(name, last) for name, _ in tower.named_parameters()}
    names = [name for name, _ in tower.named_parameters()]
    blocks = {name: (int(found["stage"] or 0), int(found["number"])) for name in names if (found := BLOCK.search(name))}
    order = {block: depth for depth, block in enumerate(sorted(set(blocks.values())), start=1)}
    return {
        name: order[blocks[name]] if name in blocks else len(order) + 1 if name.startswith(LAST) else 0 for name in names
    }
