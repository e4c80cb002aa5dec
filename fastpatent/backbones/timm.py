"""Any model of timm as a backbone: its final feature maps, whatever the family calls and shapes them."""

import copy
import re

import timm
import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from timm.models import group_parameters
from torch import nn

from fastpatent.backbones import BACKBONES, depths_by_children
from fastpatent.errors import ConfigError, nearest


class TimmBackbone(nn.Module):
    """The layers of a timm model up to its last feature map, before its own pooling and classifier.

    Parameters behind the feature map (a norm inside the model's classifier, say) keep their names and values, so that
    timm's weights load whole, but take no gradient.

    Args:
        model: a timm model.
        image_size: (height, width) of the drawings.
        channels_in: channels of the drawings.

    Attributes:
        trunk: that model, under whose names published weights are stored.
        feature_dim: channels of the feature maps.
        memory_format: channels_last for convolutional families.
    """

    def __init__(self, model, image_size, channels_in=3):
        super().__init__()
        self.trunk = model
        self._patch = patch_size(model)
        self._freeze_unreached(torch.zeros(2, channels_in, *image_size, device="meta"))

    def _freeze_unreached(self, images):
        # A forward and backward pass without numbers: it costs nothing, and knows every family's ways.
        twin = copy.deepcopy(self).to("meta")
        features = twin(images)
        self.feature_dim = features.shape[1]
        convolutional = getattr(self.trunk, "output_fmt", "NCHW") == "NCHW" and not hasattr(self.trunk, "patch_embed")
        self.memory_format = torch.channels_last if convolutional else torch.contiguous_format
        reached = torch.autograd.grad(features.sum(), list(twin.parameters()), allow_unused=True)
        for parameter, gradient in zip(self.parameters(), reached, strict=True):
            parameter.requires_grad_(gradient is not None)

    def forward(self, images):
        """Return feature maps.

        Args:
            images: float [batch, channels_in, height, width], normalised. Where the model's patches do not divide them,
                they grow at the bottom and at the right by copies of the last row and column.

        Returns:
            float [batch, feature_dim, height', width']. Class and register tokens of a transformer are left out.
        """
        images = self._whole_patches(images)
        features = self.trunk.forward_features(images)
        if features.ndim == 3:
            return self._as_map(features[:, getattr(self.trunk, "num_prefix_tokens", 0) :], *images.shape[2:])
        if getattr(self.trunk, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def _whole_patches(self, images):
        bottom, right = (-length % patch for length, patch in zip(images.shape[2:], self._patch, strict=True))
        return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images

    @staticmethod
    def _as_map(tokens, height, width):
        rows = round((tokens.shape[1] * height / width) ** 0.5)
        return tokens.transpose(1, 2).unflatten(2, (rows, -1))

    def layer_depths(self):
        """Return {name of a parameter: number of its layer}, 0 the stem, as timm tells the layers of the model."""
        if hasattr(self.trunk, "group_matcher"):
            depths = group_parameters(self.trunk, self.trunk.group_matcher(coarse=False), reverse=True)
        else:
            depths = depths_by_children(self.trunk)
        return {f"trunk.{name}": depth for name, depth in depths.items()}


def patch_size(model):
    """Return (height, width) of the patches that a timm model cuts drawings into; (1, 1) where it does not."""
    stem = getattr(model, "patch_embed", None)
    return tuple(stem.patch_size) if isinstance(stem, PatchEmbed) else (1, 1)


def create_model(name, **options):
    """Return timm's `name` with random weights and no classifier.

    Args:
        name: of the model, as `timm.list_models()` has it.
        options: wishes that not every family knows (img_size, drop_path_rate); those that it does not know are left out.

    Raises:
        ConfigError: no such model; the message has the nearest name.
    """
    if not timm.is_model(name):
        raise ConfigError(f"MODEL.BACKBONE.TIMM_NAME: timm has no model {name!r}{_nearest_model(name)}")
    while True:
        try:
            return timm.create_model(name, pretrained=False, num_classes=0, **options)
        except TypeError as error:
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown is None or options.pop(unknown.group(1), None) is None:
                raise


def create_for_size(name, size, **options):
    """Return timm's `name` for drawings of `size`, grown to whole patches where its patches do not divide them.

    The windows of a Swin transformer stay as the model was published where they divide the feature maps of every stage;
    else they grow or shrink with the drawings, as timm's `set_input_size` has it.

    Args:
        name, options: as `create_model`.
        size: (height, width).

    Raises:
        ConfigError: no such model.
        ValueError: neither windows divide the feature maps; the message has sizes near by that fit.
    """
    model = create_model(name, img_size=size, **options)
    whole = tuple(length + -length % patch for length, patch in zip(size, patch_size(model), strict=True))
    if whole != size:
        model = create_model(name, img_size=whole, **options)
    if not _windows_fit(model):
        model = create_model(name, **options)
        model.set_input_size(img_size=whole)
        if not _windows_fit(model):
            # Windows that grow with the drawings divide the maps of every drawing that comes out even in the last map.
            step = model.feature_info[-1]["reduction"]
            fitting = " or ".join(" x ".join(str(near(length, step)) for length in size) for near in (_below, _above))
            raise ValueError(f"its windows do not divide the feature maps; drawings of {fitting} fit")
    return model


def _windows_fit(model):
    blocks = [module for module in model.modules() if hasattr(module, "window_size") and hasattr(module, "input_resolution")]
    return not any(
        length % window for block in blocks for length, window in zip(block.input_resolution, block.window_size, strict=True)
    )


def _below(length, step):
    return max(length // step, 1) * step


def _above(length, step):
    return -(-length // step) * step


def _nearest_model(name):
    # Without a close name the list of all thousand models would help nobody.
    hint = nearest(name, timm.list_models())
    return hint if "did you mean" in hint else "; `timm.list_models()` has them all"


@BACKBONES.register(name="timm")
def build_timm_backbone(cfg):
    """Return the timm model MODEL.BACKBONE.TIMM_NAME for drawings of INPUT.SIZE_TRAIN, with DROP_PATH_RATIO.

    Raises:
        ConfigError: unknown model, a size that it cannot take, or a model of one size where SIZE_TRAIN and SIZE_TEST
            differ.
    """
    name, size, channels = cfg.MODEL.BACKBONE.TIMM_NAME, tuple(cfg.INPUT.SIZE_TRAIN), len(cfg.MODEL.PIXEL_MEAN)
    try:
        model = create_for_size(name, size, in_chans=channels, drop_path_rate=cfg.MODEL.BACKBONE.DROP_PATH_RATIO)
        backbone = TimmBackbone(model, size, channels)
    except (AssertionError, RuntimeError, ValueError) as error:
        # How a family says that a size does not fit its patches or windows.
        raise ConfigError(f"INPUT.SIZE_TRAIN: {name} takes no drawings of {size[0]} x {size[1]}: {error}") from error
    if model.pretrained_cfg.get("fixed_input_size") and size != tuple(cfg.INPUT.SIZE_TEST):
        raise ConfigError(f"INPUT.SIZE_TEST: {name} takes one size, so it must equal INPUT.SIZE_TRAIN, {list(size)}")
    return backbone
