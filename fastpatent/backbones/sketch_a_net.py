"""Sketch-a-Net (Yu et al., BMVC 2015, table 1; IJCV 2017): few, large first filters, as drawings have no texture."""

from typing import Self

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.config.image_size import image_size
from fastpatent.errors import ConfigError

LEAST_SIZE = 225  # leaves 7 x 7 positions to the first fully connected layer, a 7 x 7 convolution
DROPOUT = 0.5


class SketchANet(nn.Sequential):
    """Five convolutions and the two fully connected layers of the paper as convolutions; the head classifies.

    Images of 225 x 225 give one position, larger ones a map. There are no norms, so the initial weights preserve the scale
    of the features: variance 2 / fan-in (He et al., ICCV 2015), and 1 / fan-in after a max pooling, which increases it.

    Input: float [batch, channels_in, height, width], normalised, both sides at least LEAST_SIZE. Output: float
    [batch, 512, height', width'], one position plus one per 24 pixels beyond LEAST_SIZE.

    Args:
        channels_in: channels of the images.
    """

    feature_dim, memory_format = 512, torch.channels_last

    def __init__(self, channels_in: int = 1) -> None:
        super().__init__(
            *_layer(channels_in, 64, 15, stride=3), nn.MaxPool2d(3, 2),
            *_layer(64, 128, 5, gain=1), nn.MaxPool2d(3, 2),
            *_layer(128, 256, 3, padding=1, gain=1),
            *_layer(256, 256, 3, padding=1),
            *_layer(256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
            *_layer(256, 512, 7, gain=1), nn.Dropout(DROPOUT),
            *_layer(512, 512, 1), nn.Dropout(DROPOUT),
        )  # fmt: skip

    @property
    def trunk(self) -> Self:
        """The module whose parameter names match published weights: the network itself."""
        return self


def _layer(
    channels_in: int, channels: int, kernel: int, stride: int = 1, padding: int = 0, gain: int = 2
) -> tuple[nn.Conv2d, nn.ReLU]:
    convolution = nn.Conv2d(channels_in, channels, kernel, stride, padding)
    nn.init.normal_(convolution.weight, std=(gain / (channels_in * kernel**2)) ** 0.5)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution, nn.ReLU(inplace=True)


@BACKBONES.register(name="sketch_a_net")
def build_sketch_a_net(cfg: CfgNode) -> SketchANet:
    """Return the SketchANet, channels as in PIXEL_MEAN.

    Raises:
        ConfigError: INPUT.SIZE_TRAIN or INPUT.SIZE_TEST is too small.
    """
    for purpose in ("SIZE_TRAIN", "SIZE_TEST"):
        key, (height, width) = image_size(cfg, purpose)
        if min(height, width) < LEAST_SIZE:
            least = f"{LEAST_SIZE} x {LEAST_SIZE}"
            raise ConfigError(f"INPUT.{key}: sketch_a_net needs images of at least {least}, not {height} x {width}")
    return SketchANet(len(cfg.MODEL.PIXEL_MEAN))
