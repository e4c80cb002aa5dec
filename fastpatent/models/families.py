"""Published checkpoints: which parameter names identify a family, and what those names are here."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple

import torch

State = dict[str, torch.Tensor]

# What training code calls the network inside its own module; it stands before every name, and several may be nested.
WRAPPERS = ("module.", "model.", "net.", "network.")
# What torch.compile, FSDP and activation checkpointing put before the names of what they wrap, which may be a part.
WRAPPED = re.compile(r"\b_(?:orig_mod|fsdp_wrapped_module|checkpoint_wrapped_module)\.")
# First layers of most models of timm.
STEMS = ("conv1.", "conv_stem.", "stem.", "stem_", "patch_embed.", "features.")
# Where bare backbones have their classifier, which has no place in a retrieval network.
CLASSIFIERS = ("fc.", "head.", "head_dist.", "classifier.")
# Today's names of the older ones of the challenge's framework.
CHALLENGE_TODAY = {"heads.bnneck.": "heads.bottleneck.0.", "heads.classifier.weight": "heads.weight"}
# Parameters of open_clip's text tower in files where it has no prefix.
CLIP_TEXT = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
# Buffers computed from image and window sizes when a network is built, yet stored in older files.
DERIVED = ("relative_position_index", "relative_coords_table", "attn_mask", "position_ids")
# Stored in older checkpoints, set by the config here.
SETTINGS = {"pixel_mean", "pixel_std"}
# Embeddings of previous iterations (XBM), which only a resumed run needs.
MEMORY = "memory."
# The merging of patches in a Swin transformer, with the number of its stage.
MERGING = re.compile(r"\blayers\.(\d+)\.downsample\.")
# Parts of an EfficientNet in efficientnet_pytorch and in timm, whose blocks are numbered within their stage. A block that
# does not expand its input has other names in timm.
AROUND_BLOCKS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SQUEEZING = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2", **SQUEEZING}
EXPANDING = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", **SQUEEZING}
EXPANDING |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
FLAT_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)(.*)")
STAGED_BLOCK = re.compile(r"\bblocks\.\d+\.\d+\b")


class Family(NamedTuple):
    """A family of checkpoints.

    Attributes:
        name: user-facing, to follow "a checkpoint of".
        recognises: function of a state dict without the prefixes of wrappers: whether it is of this family.
        rename: function of a state dict and of the names of the network to load that returns the state dict under our names:
            `backbone.*`, `heads.*` or those of PatentCLIP. Those of a bare backbone have no prefix: the network that loads
            it knows where its backbone is.
    """

    name: str
    recognises: Callable[[State], bool]
    rename: Callable[[State, Collection[str]], State]


class Translation(NamedTuple):
    """A state dict under our names.

    Attributes:
        family: name of the family; None where no family recognises the file and its names are unchanged.
        state: dict from names to tensors.
        dropped: names in the file that are no weights, see `is_weight`.
    """

    family: str | None
    state: State
    dropped: list[str]


def translate(state: State, own: Collection[str] = ()) -> Translation:
    """Return the Translation of a published state dict: without wrappers, today's names and stages, weights only.

    Args:
        state: names and tensors of a file.
        own: names in the network to load; what these begin with is no wrapper.
    """
    found = _without_wrappers(state, own)
    family = next((family for family in FAMILIES if family.recognises(found)), None)
    weights = {name: value for name, value in found.items() if is_weight(name)}
    renamed = family.rename(weights, own) if family else weights
    dropped = [name for name in found if not is_weight(name)]
    return Translation(family.name if family else None, todays_stages(renamed), dropped)


def _without_wrappers(state: State, own: Collection[str]) -> State:
    """Return the state under names without wrappers; two that would be the same, as of two networks, are unchanged."""
    first = {f"{name.partition('.')[0]}." for name in own}
    prefixes = tuple(prefix for prefix in WRAPPERS if prefix not in first)

    def bare(name: str) -> str:
        name = WRAPPED.sub("", name)
        while name.startswith(prefixes):
            name = name.partition(".")[2]
        return name

    names = {name: bare(name) for name in state}
    count = Counter(names.values())
    return {names[name] if count[names[name]] == 1 else name: value for name, value in state.items()}


def is_weight(name: str) -> bool:
    """Return whether `name`, in a file or network, is a weight, not a setting or a temporary state of a run."""
    return name not in SETTINGS and not name.endswith(DERIVED) and not name.startswith(MEMORY)


def is_resnet(state: State) -> bool:
    """Return whether the names are torchvision's for a ResNet."""
    return "conv1.weight" in state and "layer1.0.conv1.weight" in state


def todays_stages(state: State) -> State:
    """Return a state dict in which a Swin transformer merges patches where timm does today.

    timm 0.6 and Microsoft's files merge at the end of a stage, timm since 0.9 at the start of the next. In older files the
    first stage ends with a merging; today it has none. State dicts of other networks are unchanged.
    """
    if not any(name.endswith("layers.0.downsample.reduction.weight") for name in state):
        return state
    return {MERGING.sub(_next_stage, name): value for name, value in state.items()}


def _next_stage(merging: re.Match[str]) -> str:
    return f"layers.{int(merging[1]) + 1}.downsample."


def _each(rename: Callable[[str], str]) -> Callable[[State, Collection[str]], State]:
    """Return the `Family.rename` that renames one name at a time."""
    return lambda state, _: {rename(name): value for name, value in state.items()}


def _has(state: State, *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in state)


def _is_higuchi(state: State) -> bool:
    return "head.1.running_mean" in state and _has(state, "backbone.")


def _rename_higuchi(name: str) -> str:
    """Return our name of a parameter of a timm model under `backbone.` and of `head.`, a sequence that pools first.

    ProjectionHead numbers the steps of its neck as their head does.
    """
    if name.startswith("backbone."):
        return "backbone.trunk." + name.removeprefix("backbone.")
    return "heads.bottleneck." + name.removeprefix("head.") if name.startswith("head.") else name


def _is_challenge(state: State) -> bool:
    return _has(state, "backbone.", "heads.")


def _rename_challenge(name: str) -> str:
    for older, today in CHALLENGE_TODAY.items():
        if name.startswith(older):
            return today + name.removeprefix(older)
    return name


def _is_patentnet(state: State) -> bool:
    """Return whether the last layer of a ResNet is square, as no ImageNet classifier is: it whitens the features."""
    return is_resnet(state) and "fc.weight" in state and len(set(state["fc.weight"].shape)) == 1


def _rename_patentnet(name: str) -> str:
    """Return our name of a parameter of torchvision's ResNet, which timm's equals, unlike our re-identification ResNet."""
    return f"heads.{name}" if name.startswith("fc.") else f"backbone.trunk.{name}"


def _is_open_clip(state: State) -> bool:
    return "logit_scale" in state and _has(state, "visual.")


def _rename_open_clip(name: str) -> str:
    return f"text.{name}" if name.startswith(CLIP_TEXT) else name


def _is_efficientnet(state: State) -> bool:
    return "_conv_stem.weight" in state


def _rename_efficientnet(state: State, own: Collection[str]) -> State:
    """Return a state dict of efficientnet_pytorch, whose blocks are numbered through, under the names of timm's `own`.

    Blocks that the network lacks keep their names, so that they have no place in it.
    """
    blocks = list(dict.fromkeys(match[0] for name in own for match in STAGED_BLOCK.finditer(name)))

    def rename(name: str) -> str:
        block = FLAT_BLOCK.fullmatch(name)
        if block is None:
            part, dot, rest = name.partition(".")
            return AROUND_BLOCKS.get(part, part) + dot + rest
        parts = EXPANDING if f"_blocks.{block[1]}._expand_conv.weight" in state else PLAIN
        if int(block[1]) >= len(blocks) or block[2] not in parts:
            return name
        return f"{blocks[int(block[1])]}.{parts[block[2]]}{block[3]}"

    return {rename(name): value for name, value in state.items()}


def _is_backbone(state: State) -> bool:
    return _has(state, *STEMS)


# The first family that recognises a file is taken; the last would also take files of those before it.
FAMILIES = (
    Family("Higuchi & Yanai (SwinV2)", _is_higuchi, _each(_rename_higuchi)),
    Family("the challenge's system or of fastpatent", _is_challenge, _each(_rename_challenge)),
    Family("PatentNet", _is_patentnet, _each(_rename_patentnet)),
    Family("open_clip", _is_open_clip, _each(_rename_open_clip)),
    Family("an EfficientNet of efficientnet_pytorch", _is_efficientnet, _rename_efficientnet),
    Family("a bare backbone (torchvision, IBN-Net or timm)", _is_backbone, _each(str)),
)
