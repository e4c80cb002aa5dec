"""Any timm model as a backbone: its final feature maps in one format for all families.

timm takes two seconds to import, so the functions that need it do: a configuration that names a backbone is checked without.
"""

import copy
import re
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES, depths_by_children
from fastpatent.config.image_size import image_size
from fastpatent.errors import ConfigError, nearest
from fastpatent.layers.depthwise import replace_depthwise

TimmModel = Any  # an nn.Module; timm declares what its families share (forward_features, feature_info) in no class


class TimmBackbone(nn.Module):
    """The layers of a timm model up to its last feature map, before its own pooling and classifier.

    Parameters after the feature map (such as a norm inside the classifier) keep their names and values, so that timm weights
    load completely, but have requires_grad False.

    Args:
        model: a timm model.
        image_size: (height, width) of the images.
        channels_in: channels of the images.

    Attributes:
        trunk: the timm model, whose parameter names match published weights.
        feature_dim: channels of the feature maps.
        memory_format: channels_last for convolutional families.
    """

    def __init__(self, model: TimmModel, image_size: Iterable[int], channels_in: int = 3) -> None:
        super().__init__()
        self.trunk: TimmModel = model
        self._patch = patch_size(model)
        replace_depthwise(model)
        self._freeze_unreached(torch.zeros(2, channels_in, *image_size, device="meta"))

    def _freeze_unreached(self, images: torch.Tensor) -> None:
        # A forward and backward pass on the meta device is free and works for every family.
        twin = copy.deepcopy(self).to("meta")
        features = twin(images)
        self.feature_dim = features.shape[1]
        convolutional = getattr(self.trunk, "output_fmt", "NCHW") == "NCHW" and not hasattr(self.trunk, "patch_embed")
        self.memory_format = torch.channels_last if convolutional else torch.contiguous_format
        reached = torch.autograd.grad(features.sum(), list(twin.parameters()), allow_unused=True)
        for parameter, gradient in zip(self.parameters(), reached, strict=True):
            parameter.requires_grad_(gradient is not None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return feature maps.

        Args:
            images: float [batch, channels_in, height, width], normalised. If the patches of the model do not divide
                them, they are padded at the bottom and right by replication.

        Returns:
            float [batch, feature_dim, height', width']. Class and register tokens of a transformer are excluded.
        """
        images = self._whole_patches(images)
        features = self.trunk.forward_features(images)
        if features.ndim == 3:
            return self._as_map(features[:, getattr(self.trunk, "num_prefix_tokens", 0) :], *images.shape[2:])
        if getattr(self.trunk, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def _whole_patches(self, images: torch.Tensor) -> torch.Tensor:
        bottom, right = (-length % patch for length, patch in zip(images.shape[2:], self._patch, strict=True))
        return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images

    @staticmethod
    def _as_map(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
        rows = round((tokens.shape[1] * height / width) ** 0.5)
        return tokens.transpose(1, 2).unflatten(2, (rows, -1))

    def layer_depths(self) -> dict[str, int]:
        """See `trunk_layer_depths`."""
        return trunk_layer_depths(self.trunk)


def trunk_layer_depths(trunk: nn.Module) -> dict[str, int]:
    """Return {"trunk." + name of a parameter: depth of its layer}, 0 for the stem, by the layer groups of timm."""
    matcher: Any = getattr(trunk, "group_matcher", None)
    if matcher:
        from timm.models import group_parameters

        depths = group_parameters(trunk, matcher(coarse=False), reverse=True)
    else:
        depths = depths_by_children(trunk)
    return {f"trunk.{name}": depth for name, depth in depths.items()}  # pyright: ignore[reportReturnType]  # of timm: int


def patch_size(model: nn.Module) -> tuple[int, int]:
    """Return (height, width) of the patches of a timm model; (1, 1) if it has none."""
    from timm.layers.patch_embed import PatchEmbed

    stem = getattr(model, "patch_embed", None)
    height, width = map(int, stem.patch_size) if isinstance(stem, PatchEmbed) else (1, 1)
    return height, width


def create_model(name: str, **options: Any) -> TimmModel:
    """Return timm's `name` with random weights and no classifier.

    Args:
        name: of the model, see `timm.list_models()`.
        options: arguments of the model (img_size, drop_path_rate); those that its family does not support are ignored.

    Raises:
        ConfigError: unknown model or tag; the message gives the closest name.
    """
    import timm

    if not timm.is_model(name):
        raise ConfigError(f"MODEL.BACKBONE.TIMM_NAME: timm has no model {name!r}{_nearest_model(name)}")
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        model, _, tag = name.partition(".")
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{model}.*")]
        raise ConfigError(f"MODEL.BACKBONE.TIMM_NAME: timm has no tag {tag!r} of {model}{nearest(tag, tags)}") from error
    while True:
        try:
            return timm.create_model(name, pretrained=False, num_classes=0, **options)
        except TypeError as error:
            unknown = re.search(r"(?:unexpected keyword argument |argument\(s\): \[?)'(\w+)'", str(error))
            if unknown is None or options.pop(unknown.group(1), None) is None:
                raise


def create_for_size(name: str, size: tuple[int, int], **options: Any) -> TimmModel:
    """Return timm's `name` for images of `size`, rounded up to whole patches.

    The windows of a Swin transformer keep their published size if it divides the feature maps of every stage; otherwise
    they scale with the images, by timm's `set_input_size`.

    Args:
        name, options: as `create_model`.
        size: (height, width).

    Raises:
        ConfigError: unknown model.
        ValueError: neither window size divides the feature maps; the message gives close sizes that fit.
    """
    model = create_model(name, img_size=size, **options)
    height, width = (length + -length % patch for length, patch in zip(size, patch_size(model), strict=True))
    whole = height, width
    if whole != size:
        model = create_model(name, img_size=whole, **options)
    if not _windows_fit(model):
        model = create_model(name, **options)
        model.set_input_size(img_size=whole)
        if not _windows_fit(model):
            # Windows that scale with the images divide the maps of every size that is a multiple of the total stride.
            step = model.feature_info[-1]["reduction"]
            fitting = " or ".join(" x ".join(str(near(length, step)) for length in size) for near in (_below, _above))
            raise ValueError(f"its windows do not divide the feature maps; images of {fitting} fit")
    return model


def _windows_fit(model: TimmModel) -> bool:
    blocks = [module for module in model.modules() if hasattr(module, "window_size") and hasattr(module, "input_resolution")]
    return not any(
        length % window for block in blocks for length, window in zip(block.input_resolution, block.window_size, strict=True)
    )


def _below(length: int, step: int) -> int:
    return max(length // step, 1) * step


def _above(length: int, step: int) -> int:
    return -(-length // step) * step


def _nearest_model(name: str) -> str:
    import timm

    # Without a close name, a list of more than a thousand models would not help.
    hint = nearest(name, timm.list_models())
    return hint if "did you mean" in hint else "; see `timm.list_models()`"


@BACKBONES.register(name="timm")
def build_timm_backbone(cfg: CfgNode) -> TimmBackbone:
    """Return the timm model MODEL.BACKBONE.TIMM_NAME for training images (`image_size`), with DROP_PATH_RATIO.

    Raises:
        ConfigError: unknown or unsupported model, unsupported size, or a fixed-size model with test images of another size.
    """
    name, channels = cfg.MODEL.BACKBONE.TIMM_NAME, len(cfg.MODEL.PIXEL_MEAN)
    key, size = image_size(cfg, "SIZE_TRAIN")
    height, width = size
    try:
        model = create_for_size(name, (height, width), in_chans=channels, drop_path_rate=cfg.MODEL.BACKBONE.DROP_PATH_RATIO)
        backbone = TimmBackbone(model, size, channels)
    except (AssertionError, RuntimeError, ValueError) as error:
        # Raised by timm models for sizes that do not fit their patches or windows.
        raise ConfigError(f"INPUT.{key}: {name} does not accept images of {height} x {width}: {error}") from error
    except (AttributeError, TypeError) as error:  # of models that are built otherwise than nearly all of timm's
        raise ConfigError(f"MODEL.BACKBONE.TIMM_NAME: {name} cannot be a backbone here: {error}") from error
    test_key, test_size = image_size(cfg, "SIZE_TEST")
    if model.pretrained_cfg.get("fixed_input_size") and size != test_size:
        raise ConfigError(f"INPUT.{test_key}: {name} accepts one size only, so it must equal INPUT.{key}, {list(size)}")
    return backbone
