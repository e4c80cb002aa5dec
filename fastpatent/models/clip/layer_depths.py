"""The layers of open_clip's towers in order, for learning rates that decay from the output to the input."""

import re

from torch import nn

from fastpatent.backbones.timm import trunk_layer_depths

BLOCK = re.compile(r"(?:^|\.)(?:resblocks|blocks?|layers?|layer(?P<stage>\d))\.(?P<number>\d+)\.")
# After the last block: projections, last norms, poolings, and the head around a timm trunk.
LAST = re.compile(
    r"(?:transformer\.)?(?:encoder\.)?"
    r"(?:proj|text_projection|ln_post|ln_final|final_layer_norm|attnpool|attn_pool|head|pooler)(?:\.|$)"
)


def tower_layer_depths(tower: nn.Module) -> dict[str, int]:
    """Return {name of a parameter: number of its layer}, 0 the first layer.

    Embeddings and the stem are layer 0, each block is a layer, and what follows the blocks is the last. The trunk of a timm
    tower has the layers of timm.
    """
    trunk = getattr(tower, "trunk", None)
    names = [name for name, _ in tower.named_parameters()]
    if trunk is not None and hasattr(trunk, "group_matcher"):
        inside = trunk_layer_depths(trunk)
        last = max(inside.values(), default=-1) + 1
        return {name: inside.get(name, last) for name in names}
    blocks = {name: (int(found["stage"] or 0), int(found["number"])) for name in names if (found := BLOCK.search(name))}
    order = {block: depth for depth, block in enumerate(sorted(set(blocks.values())), start=1)}
    last = len(order) + 1
    return {name: order[blocks[name]] if name in blocks else last if LAST.match(name) else 0 for name in names}
