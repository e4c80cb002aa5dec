"""ResNet with IBN-a and non-local blocks (He et al., CVPR 2016; Pan et al., ECCV 2018; Wang et al., CVPR 2018)."""

from typing import Self

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.errors import ConfigError, nearest
from fastpatent.layers.ibn import IBN
from fastpatent.layers.non_local import NonLocal
from fastpatent.layers.norm import build_norm


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (depths 18 and 34), optionally with IBN-a after the first.

    Args:
        channels_in: channels of the input.
        channels: inner channels; the output has `expansion` times as many.
        stride: of the first convolution.
        norm: name of the norms.
        with_ibn: IBN-a instead of the first norm.
        shortcut: module that maps the input to the shape of the output; None: identity.
    """

    expansion = 1

    def __init__(
        self, channels_in: int, channels: int, stride: int, norm: str, with_ibn: bool, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = IBN(channels, norm) if with_ibn else build_norm(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = build_norm(norm, channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels * expansion, height / stride, width / stride]."""
        residual = self.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        return self.relu(residual + (features if self.downsample is None else self.downsample(features)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut (depths 50 and 101), with the stride in the 3x3; see `BasicBlock`."""

    expansion = 4

    def __init__(
        self, channels_in: int, channels: int, stride: int, norm: str, with_ibn: bool, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = IBN(channels, norm) if with_ibn else build_norm(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = build_norm(norm, channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = build_norm(norm, channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels * expansion, height / stride, width / stride]."""
        residual = self.relu(self.bn1(self.conv1(features)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return self.relu(residual + (features if self.downsample is None else self.downsample(features)))


Block = BasicBlock | Bottleneck

# Depth: block, number of blocks per layer, and number of last blocks per layer that are followed by a non-local block.
DEPTHS: dict[str, tuple[type[Block], tuple[int, ...], tuple[int, ...]]] = {
    "18x": (BasicBlock, (2, 2, 2, 2), (0, 0, 0, 0)),
    "34x": (BasicBlock, (3, 4, 6, 3), (0, 0, 0, 0)),
    "50x": (Bottleneck, (3, 4, 6, 3), (0, 2, 3, 0)),
    "101x": (Bottleneck, (3, 4, 23, 3), (0, 2, 9, 0)),
}


class ResNet(nn.Module):
    """ResNet with the parameter names of torchvision (and bn1.IN, bn1.BN and NL_n.* of the additional blocks).

    The 3x3 max pooling of the stem has no padding and rounds up, to match the published re-identification weights.

    Initial weights: convolutions normal with variance 2 / fan-out, norms 1. The convolutions of non-local blocks keep the
    default of PyTorch, because fan-out is no useful scale at width 1; their last norm starts at 0, so they are the identity.

    Args:
        block: BasicBlock or Bottleneck.
        blocks: number of blocks in each of the four layers.
        non_local: number of last blocks in each layer that are followed by a non-local block.
        channels_in: channels of the images.
        last_stride: stride of layer 4; 1 doubles the resolution of the feature maps.
        norm: name of the norms.
        with_ibn: IBN-a in layers 1 to 3.
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        block: type[Block],
        blocks: tuple[int, ...],
        non_local: tuple[int, ...] = (0, 0, 0, 0),
        channels_in: int = 3,
        last_stride: int = 1,
        norm: str = "BN",
        with_ibn: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, 64, 7, 2, 3, bias=False)
        self.bn1 = build_norm(norm, 64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        width = 64
        for number, (count, stride) in enumerate(zip(blocks, (1, 2, 2, last_stride), strict=True), start=1):
            layer = self._layer(block, width, 32 * 2**number, count, stride, norm, with_ibn and number < 4)
            self.add_module(f"layer{number}", layer)
            width = 32 * 2**number * block.expansion
        self.feature_dim = width
        self._initialise()
        for number, count in enumerate(non_local, start=1):
            channels = 32 * 2**number * block.expansion
            self.add_module(f"NL_{number}", nn.ModuleList(NonLocal(channels, norm) for _ in range(count)))

    @staticmethod
    def _layer(
        block: type[Block], channels_in: int, channels: int, count: int, stride: int, norm: str, with_ibn: bool
    ) -> nn.Sequential:
        channels_out = channels * block.expansion
        shortcut = None
        if stride != 1 or channels_in != channels_out:
            convolution = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            shortcut = nn.Sequential(convolution, build_norm(norm, channels_out))
        layer = [block(channels_in, channels, stride, norm, with_ibn, shortcut)]
        layer += [block(channels_out, channels, 1, norm, with_ibn, None) for _ in range(count - 1)]
        return nn.Sequential(*layer)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def trunk(self) -> Self:
        """The module whose parameter names match published ImageNet weights: the network itself."""
        return self

    def layer_depths(self) -> dict[str, int]:
        """Return {parameter name: depth}: 0 for the stem, then one per block, including its non-local block."""
        depths = dict.fromkeys((name for name, _ in self.named_parameters()), 0)
        blocks = 0
        for number in (1, 2, 3, 4):
            layer, non_local = getattr(self, f"layer{number}"), getattr(self, f"NL_{number}")
            blocks += len(layer)
            for path, modules in ((f"layer{number}", layer), (f"NL_{number}", non_local)):
                for depth, (place, module) in enumerate(modules.named_children(), start=blocks - len(modules) + 1):
                    depths |= {f"{path}.{place}.{name}": depth for name, _ in module.named_parameters()}
        return depths

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return feature maps.

        Args:
            images: float [batch, channels_in, height, width], normalised.

        Returns:
            float [batch, feature_dim, height / 16, width / 16] with last stride 1 (height / 32 with 2), rounded up.
        """
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in (1, 2, 3, 4):
            layer, non_local = getattr(self, f"layer{number}"), getattr(self, f"NL_{number}")
            first = len(layer) - len(non_local)
            for position, block in enumerate(layer):
                features = block(features)
                if position >= first:
                    features = non_local[position - first](features)
        return features


@BACKBONES.register
def build_resnet_backbone(cfg: CfgNode) -> ResNet:
    """Return the ResNet of MODEL.BACKBONE: DEPTH, WITH_IBN, WITH_NL, LAST_STRIDE, NORM; channels as in PIXEL_MEAN.

    Raises:
        ConfigError: unknown DEPTH or NORM.
    """
    settings = cfg.MODEL.BACKBONE
    if settings.DEPTH not in DEPTHS:
        raise ConfigError(f"MODEL.BACKBONE.DEPTH: unknown depth {settings.DEPTH!r}{nearest(settings.DEPTH, DEPTHS)}")
    block, blocks, non_local = DEPTHS[settings.DEPTH]
    return ResNet(
        block,
        blocks,
        non_local=non_local if settings.WITH_NL else (0, 0, 0, 0),
        channels_in=len(cfg.MODEL.PIXEL_MEAN),
        last_stride=settings.LAST_STRIDE,
        norm=settings.NORM,
        with_ibn=settings.WITH_IBN,
    )
