"""Swin transformers: timm 0.6 and Microsoft's files merge patches at the end of a stage, timm since 0.9 at the start."""

import re

MERGING = re.compile(r"\blayers\.(\d+)\.downsample\.")


def todays_stages(state):
    """Return a state dict, of any network, in which the patches of a Swin transformer are merged where timm does today.

    A first stage that ends with a merging is what older files are known by: today's begins with none.
    """
    if not any(name.endswith("layers.0.downsample.reduction.weight") for name in state):
        return state
    return {MERGING.sub(_next_stage, name): value for name, value in state.items()}


def _next_stage(merging):
    return f"layers.{int(merging[1]) + 1}.downsample."
