"""From a grey PIL drawing to a uint8 tensor of one size: the published augmentations in their published order."""

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

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


def build_test_transform(cfg):
    """Return a function of a PIL image of mode L -> uint8 [1, *INPUT.SIZE_TEST]: resized, nothing else."""
    return v2.Compose([_resize(cfg, "SIZE_TEST"), ToTensor()])


def build_train_transform(cfg):
    """Return a function of a PIL image of mode L -> uint8 [1, height, width] that augments as INPUT says.

    Order: AutoAugment, resize, random resized crop, pad and random crop, flip, colour jitter, affine, AugMix, random
    erasing. Everything is drawn from torch's CPU generator. What a turned or shifted drawing uncovers gets
    INPUT.PADDING.VALUE, as the padding does. A grey drawing has no saturation and no hue: CJ's two are without effect.
    """
    given = cfg.INPUT
    outside = given.PADDING.VALUE
    steps = []
    if given.AUTOAUG.ENABLED:
        steps.append(v2.RandomApply([v2.AutoAugment(fill=outside)], p=given.AUTOAUG.PROB))
    steps.append(_resize(cfg, "SIZE_TRAIN"))
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
    if given.REA.ENABLED:
        grey = round(sum(given.REA.VALUE) / len(given.REA.VALUE))
        steps.append(v2.RandomErasing(given.REA.PROB, value=grey))
    return v2.Compose(steps)


def _resize(cfg, key):
    size = tuple(cfg.INPUT[key])
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"INPUT.{key}: {list(size)} is no [height, width] in pixels")
    return FitOnPaper(size) if cfg.INPUT.KEEP_ASPECT else v2.Resize(size, interpolation=BICUBIC)
