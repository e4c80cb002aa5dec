"""Drawing by drawing: grey PIL images brought to one size, then augmented in the published order."""

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from fastpatent.data.augment.blur import blur_kernel_size
from fastpatent.data.augment.erasing import erasing_grey
from fastpatent.errors import ConfigError

PAPER = 255
BICUBIC = v2.InterpolationMode.BICUBIC


class FitOnPaper(torch.nn.Module):
    """Shrink or enlarge a drawing to fit a size, its aspect kept, centred on white paper.

    Args:
        size: (height, width).
    """

    def __init__(self, size):
        super().__init__()
        self.height, self.width = size

    def forward(self, drawing):
        """Take and return PIL images of mode L."""
        scale = min(self.width / drawing.width, self.height / drawing.height)
        width = min(max(round(drawing.width * scale), 1), self.width)
        height = min(max(round(drawing.height * scale), 1), self.height)
        paper = Image.new("L", (self.width, self.height), PAPER)
        fitted = drawing.resize((width, height), Image.Resampling.BICUBIC)
        paper.paste(fitted, ((self.width - width) // 2, (self.height - height) // 2))
        return paper


class ToTensor(torch.nn.Module):
    """PIL image of mode L -> uint8 [1, height, width]."""

    def forward(self, drawing):
        """Copy the pixels."""
        return pil_to_tensor(drawing)


def build_resize(cfg, key):
    """Return a function of a PIL image of mode L -> PIL image of mode L of the size INPUT.<key>, by anti-aliased bicubic.

    Args:
        key: "SIZE_TRAIN" or "SIZE_TEST".

    Raises:
        ConfigError: no [height, width] in pixels.
    """
    size = tuple(cfg.INPUT[key])
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"INPUT.{key}: {list(size)} is no [height, width] in pixels")
    return FitOnPaper(size) if cfg.INPUT.KEEP_ASPECT else v2.Resize(size, interpolation=BICUBIC)


def build_train_transform(cfg):
    """Return a function of a PIL image of mode L and of size INPUT.SIZE_TRAIN -> uint8 [1, height, width], as INPUT says.

    Order: AutoAugment, random resized crop, pad and random crop, flip, colour jitter, affine, AugMix, blur, random
    erasing. Everything is drawn from torch's CPU generator. What a turned or shifted drawing uncovers gets
    INPUT.PADDING.VALUE, as the padding does. A grey drawing has no saturation and no hue: CJ's two are without effect.
    """
    given = cfg.INPUT
    outside = given.PADDING.VALUE
    steps = []
    if given.AUTOAUG.ENABLED:
        steps.append(v2.RandomApply([v2.AutoAugment(fill=outside)], p=given.AUTOAUG.PROB))
    if given.CROP.ENABLED:
        size, scale, ratio = (tuple(given.CROP[key]) for key in ("SIZE", "SCALE", "RATIO"))
        steps.append(v2.RandomResizedCrop(size, scale, ratio, interpolation=BICUBIC))
    if given.PADDING.ENABLED:
        steps.append(
            v2.RandomCrop(
                tuple(given.SIZE_TRAIN),
                padding=given.PADDING.SIZE,
                pad_if_needed=True,  # a CROP.SIZE below SIZE_TRAIN
                fill=outside,
                padding_mode=given.PADDING.MODE,
            )
        )
    if given.FLIP.ENABLED:
        steps.append(v2.RandomHorizontalFlip(given.FLIP.PROB))
    if given.CJ.ENABLED:
        jitter = v2.ColorJitter(brightness=given.CJ.BRIGHTNESS, contrast=given.CJ.CONTRAST)
        steps.append(v2.RandomApply([jitter], p=given.CJ.PROB))
    if given.AFFINE.ENABLED:
        steps.append(
            v2.RandomAffine(10, scale=(0.9, 1.1), shear=0.1, interpolation=v2.InterpolationMode.BILINEAR, fill=outside)
        )
    if given.AUGMIX.ENABLED:
        mix = v2.AugMix(severity=1, mixture_width=3, chain_depth=1, alpha=0.1, fill=outside)
        steps.append(v2.RandomApply([mix], p=given.AUGMIX.PROB))
    steps.append(ToTensor())
    if given.BLUR.ENABLED:
        blur = v2.GaussianBlur(blur_kernel_size(cfg), tuple(given.BLUR.SIGMA))
        steps.append(v2.RandomApply([blur], p=given.BLUR.PROB))
    if given.REA.ENABLED:
        steps.append(v2.RandomErasing(given.REA.PROB, value=erasing_grey(cfg)))
    return v2.Compose(steps)
