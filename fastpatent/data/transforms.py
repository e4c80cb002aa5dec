"""Transforms of single images: grey PIL images are resized, then augmented in the published order."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from yacs.config import CfgNode

from fastpatent.data.augment.blur import blur_kernel_size
from fastpatent.data.augment.erasing import erasing_grey
from fastpatent.data.augment.lines import Lines, RandomLines
from fastpatent.data.augment.policies import RandomPolicy
from fastpatent.errors import ConfigError

PAPER = 255
LONGEST = 16_384  # pixels of a side that is resized with the other
VARIOUS_SIZES = ("shorter", "native")  # values of INPUT.FIT that keep the aspect ratio without cropping or padding


class Stretch(torch.nn.Module):
    """Resize an image to a size without keeping its aspect ratio.

    Args:
        size: (height, width).
        resampling: PIL's filter.
    """

    def __init__(self, size: tuple[int, int], resampling: Image.Resampling = Image.Resampling.BICUBIC) -> None:
        super().__init__()
        self.height, self.width = size
        self.resampling = resampling

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        return _resized(drawing, self.width, self.height, self.resampling)


class FitShorterSide(torch.nn.Module):
    """Resize an image so that its shorter side has a given length; the longer one is rounded down, as torchvision does.

    It is LONGEST at most: else a thin strip would fill the memory.

    Args:
        side: length in pixels.
        resampling: PIL's filter.
    """

    def __init__(self, side: int, resampling: Image.Resampling = Image.Resampling.BICUBIC) -> None:
        super().__init__()
        self.side, self.resampling = side, resampling

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        shorter = min(drawing.size)
        width, height = (int(min(self.side * length / shorter, LONGEST)) for length in drawing.size)
        return _resized(drawing, width, height, self.resampling)


class FitOnPaper(Stretch):
    """Resize an image to fit into a size with its aspect ratio kept, and pad it with white; arguments as `Stretch`."""

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        scale = min(self.width / drawing.width, self.height / drawing.height)
        width = min(max(round(drawing.width * scale), 1), self.width)
        height = min(max(round(drawing.height * scale), 1), self.height)
        return _centred(_resized(drawing, width, height, self.resampling), self.height, self.width, PAPER)


class CentreWindow(torch.nn.Module):
    """Crop the centre of an image; a smaller image is padded first.

    Args:
        size: (height, width).
        fill: grey level of the padding.
    """

    def __init__(self, size: tuple[int, int], fill: int = PAPER) -> None:
        super().__init__()
        self.height, self.width = size
        self.fill = fill

    def forward(self, drawing: Image.Image) -> Image.Image:
        """Take and return PIL images of mode L."""
        height, width = max(drawing.height, self.height), max(drawing.width, self.width)
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        padded = _centred(drawing, height, width, self.fill)
        return padded.crop((left, top, left + self.width, top + self.height))


def _resized(drawing: Image.Image, width: int, height: int, resampling: Image.Resampling) -> Image.Image:
    # Always the horizontal pass first: published features were computed so; newer versions of Pillow take the cheaper order.
    return drawing.resize((width, drawing.height), resampling).resize((width, height), resampling)


def _centred(drawing: Image.Image, height: int, width: int, fill: int) -> Image.Image:
    if drawing.size == (width, height):
        return drawing
    paper = Image.new("L", (width, height), fill)
    paper.paste(drawing, ((width - drawing.width) // 2, (height - drawing.height) // 2))
    return paper


class ToTensor(torch.nn.Module):
    """Convert a PIL image of mode L to uint8 [1, height, width]."""

    def forward(self, drawing: Image.Image) -> torch.Tensor:
        """Copy the pixels."""
        return torch.from_numpy(np.array(drawing))[None]


def build_resize(cfg: CfgNode, key: str) -> Callable[[Image.Image], Image.Image]:
    """Return a function that resizes a PIL image of mode L with INPUT.INTERPOLATION, anti-aliased.

    The result has the size INPUT.<key>, except with INPUT.KEEP_ASPECT and one of these values of FIT. crop: the shorter
    side of training images becomes that of SIZE_TRAIN, and `build_train_transform` crops. shorter: the same resize, never
    cropped. native: images are not resized.

    Args:
        key: "SIZE_TRAIN" or "SIZE_TEST".

    Raises:
        ConfigError: FIT gives training images of different sizes.
    """
    given, size = cfg.INPUT, tuple(cfg.INPUT[key])
    resampling = Image.Resampling[given.INTERPOLATION.upper()]
    if not given.KEEP_ASPECT:
        return Stretch(size, resampling)
    if key == "SIZE_TRAIN" and given.FIT in VARIOUS_SIZES:
        raise ConfigError(
            f"INPUT.FIT: {given.FIT} gives images of different sizes, so it is for testing only; train with crop or paper"
        )
    if given.FIT == "paper":
        return FitOnPaper(size, resampling)
    if given.FIT == "native":
        return torch.nn.Identity()
    shorter = FitShorterSide(min(size), resampling)
    return torch.nn.Sequential(shorter, CentreWindow(size)) if given.FIT == "crop" and key == "SIZE_TEST" else shorter


def _window(cfg: CfgNode) -> list[torch.nn.Module]:
    """Return the random crop of training images that are resized to more than INPUT.SIZE_TRAIN; of others nothing."""
    if not (cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT == "crop"):
        return []
    from torchvision.transforms import v2  # takes seconds to import, and only training needs it

    return [v2.RandomCrop(tuple(cfg.INPUT.SIZE_TRAIN), pad_if_needed=True, fill=PAPER)]


def build_window(cfg: CfgNode) -> Callable[[Image.Image], torch.Tensor] | None:
    """Return the random crop of FIT crop alone, or None without it, for images whose other steps are applied to batches.

    Images of different sizes cannot form a batch. It is the first step of `build_train_transform`, with the same random
    numbers.
    """
    window = _window(cfg)
    return torch.nn.Sequential(*window, ToTensor()) if window else None


def build_test_transform(cfg: CfgNode) -> Callable[[Image.Image], torch.Tensor] | None:
    """Return the centre crop of INPUT.CROP for images resized by `build_resize`, or None where it is not enabled.

    A PIL image of mode L -> uint8 [1, height, width] of CROP.SIZE; a smaller image is padded with INPUT.PADDING.VALUE.
    """
    given = cfg.INPUT
    if not given.CROP.ENABLED:
        return None
    return torch.nn.Sequential(CentreWindow(tuple(given.CROP.SIZE), given.PADDING.VALUE), ToTensor())


def build_train_transform(cfg: CfgNode) -> Callable[[Image.Image], torch.Tensor]:
    """Return the augmentation of INPUT: a PIL image of mode L, resized by `build_resize` -> uint8 [1, height, width].

    Order: the random crop of FIT crop (smaller images are padded with white), lines, AutoAugment, random resized crop, pad
    and random crop, flip, rotation, colour jitter, affine, AugMix, blur, random erasing. All random numbers come from
    torch's CPU generator. Padding and the areas uncovered by a rotation or a shift get INPUT.PADDING.VALUE, those of
    AutoAugment INPUT.AUTOAUG.FILL. Grey images have no saturation and no hue, so those two of CJ have no effect.
    """
    from torchvision.transforms import v2

    given = cfg.INPUT
    outside = given.PADDING.VALUE
    bilinear, bicubic = v2.InterpolationMode.BILINEAR, v2.InterpolationMode.BICUBIC
    steps = _window(cfg)
    if given.LINES.ENABLED:
        steps.append(RandomLines(Lines(given.LINES.PROB, given.LINES.WIDTH, given.LINES.DASH)))
    if given.AUTOAUG.ENABLED:
        steps.append(RandomPolicy(given.AUTOAUG.PROB, given.AUTOAUG.FILL))
    if given.CROP.ENABLED:
        size, scale, ratio = (tuple(given.CROP[key]) for key in ("SIZE", "SCALE", "RATIO"))
        steps.append(v2.RandomResizedCrop(size, scale, ratio, interpolation=bicubic))
    if given.PADDING.ENABLED:
        steps.append(
            v2.RandomCrop(
                tuple(given.SIZE_TRAIN),
                padding=given.PADDING.SIZE,
                pad_if_needed=True,  # for a CROP.SIZE below SIZE_TRAIN
                fill=outside,
                padding_mode=given.PADDING.MODE,
            )
        )
    if given.FLIP.ENABLED:
        steps.append(v2.RandomHorizontalFlip(given.FLIP.PROB))
    if given.ROTATE.ENABLED:
        turn = v2.RandomRotation(given.ROTATE.DEGREES, interpolation=bilinear, fill=outside)
        steps.append(v2.RandomApply([turn], p=given.ROTATE.PROB))
    if given.CJ.ENABLED:
        jitter = v2.ColorJitter(brightness=given.CJ.BRIGHTNESS, contrast=given.CJ.CONTRAST)
        steps.append(v2.RandomApply([jitter], p=given.CJ.PROB))
    if given.AFFINE.ENABLED:
        steps.append(v2.RandomAffine((-10, 10), scale=(0.9, 1.1), shear=0.1, fill=outside))  # each pixel is the nearest
    if given.AUGMIX.ENABLED:
        mix = v2.AugMix(severity=1, mixture_width=3, chain_depth=1, alpha=0.1, fill=outside)
        steps.append(v2.RandomApply([mix], p=given.AUGMIX.PROB))
    steps.append(ToTensor())
    if given.BLUR.ENABLED:
        blur = v2.GaussianBlur(blur_kernel_size(cfg), tuple(given.BLUR.SIGMA))
        steps.append(v2.RandomApply([blur], p=given.BLUR.PROB))
    if given.REA.ENABLED:
        steps.append(v2.RandomErasing(given.REA.PROB, scale=tuple(given.REA.AREA), value=erasing_grey(cfg)))
    return torch.nn.Sequential(*steps)
