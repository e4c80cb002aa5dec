"""Published checkpoints, one family a file: by which names a file is known, and what those names are here.

A family is a module with

- NAME: what a person calls it, to follow "a checkpoint of";
- recognises(state): whether a state dict without `module.` prefixes is of this family;
- rename(name): the name here, `backbone.*`, `heads.*` or those of PatentCLIP; bare backbones keep their names.
"""

from typing import NamedTuple

from fastpatent.models.families import backbone, challenge, higuchi, open_clip, patentnet
from fastpatent.models.families.swin import todays_stages

# The first that recognises a file; the last would take files of the ones before it.
FAMILIES = (higuchi, challenge, patentnet, open_clip, backbone)
# Computed from the sizes of drawings and windows whenever a network is built, yet kept by older files.
DERIVED = ("relative_position_index", "relative_coords_table", "attn_mask", "position_ids")
# Kept in checkpoints of old, set by the config here.
SETTINGS = {"pixel_mean", "pixel_std"}
# Embeddings of the past steps of a run (XBM): a resumed run needs them, nobody else.
MEMORY = "memory."


class Translation(NamedTuple):
    """A state dict under the names that networks have here.

    Attributes:
        family: name of the family, None where no family recognises the file and its names are as they were.
        state: dict from names to tensors.
        dropped: names in the file of what is no weight, see `is_weight`.
    """

    family: str
    state: dict
    dropped: list


def is_weight(name):
    """Tell whether `name`, of a file or network, is of a weight, not of a setting or a passing state of a run."""
    return name not in SETTINGS and not name.endswith(DERIVED) and not name.startswith(MEMORY)


def translate(state):
    """Return the Translation of a published state dict: no `module.`, names and stages of today, weights only."""
    found = {name.removeprefix("module."): value for name, value in state.items()}
    family = next((family for family in FAMILIES if family.recognises(found)), None)
    rename = family.rename if family else str
    weights = {rename(name): value for name, value in found.items() if is_weight(name)}
    dropped = [name for name in found if not is_weight(name)]
    return Translation(family and family.NAME, todays_stages(weights), dropped)
