"""Any model of timm as a backbone: its final feature maps, whatever the family calls and shapes them."""

import copy
import re

import timm
import torch
from torch import nn

from fastpatent.backbones import BACKBONES
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
            images: float [batch, channels_in, height, width], normalised.

        Returns:
            float [batch, feature_dim, height', width']. Class and register tokens of a transformer are left out.
        """
        features = self.trunk.forward_features(images)
        if features.ndim == 3:
            return self._as_map(features[:, getattr(self.trunk, "num_prefix_tokens", 0) :], *images.shape[2:])
        if getattr(self.trunk, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    @staticmethod
    def _as_map(tokens, height, width):
        rows = round((tokens.shape[1] * height / width) ** 0.5)
        return tokens.transpose(1, 2).unflatten(2, (rows, -1))


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
        model = create_model(name, in_chans=channels, img_size=size, drop_path_rate=cfg.MODEL.BACKBONE.DROP_PATH_RATIO)
        backbone = TimmBackbone(model, size, channels)
    except (AssertionError, RuntimeError, ValueError) as error:
        # How a family says that a size does not fit its patches or windows.
        raise ConfigError(f"INPUT.SIZE_TRAIN: {name} takes no drawings of {size[0]} x {size[1]}: {error}") from error
    if model.pretrained_cfg.get("fixed_input_size") and size != tuple(cfg.INPUT.SIZE_TEST):
        raise ConfigError(f"INPUT.SIZE_TEST: {name} takes one size, so it must equal INPUT.SIZE_TRAIN, {list(size)}")
    return backbone
