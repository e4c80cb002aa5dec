"""Drawing by drawing: grey PIL images brought to size, then augmented in the published order."""

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import center_crop, pil_to_tensor

from fastpatent.data.augment.blur import blur_kernel_size
from fastpatent.data.augment.erasing import erasing_grey
from fastpatent.errors import ConfigError

PAPER = 255
BICUBIC, BILINEAR = v2.InterpolationMode.BICUBIC, v2.InterpolationMode.BILINEAR
VARIOUS_SIZES = ("shorter", "native")  # values of INPUT.FIT that leave drawings of their own aspect


class Stretch(torch.nn.Module):
    """Resize a drawing to a size whatever its aspect.

    Args:
        size: (height, width).
        resampling: PIL's filter.
    """

    def __init__(self, size, resampling=Image.Resampling.BICUBIC):
        super().__init__()
        self.height, self.width = size
        self.resampling = resampling

    def forward(self, drawing):
        """Take and return PIL images of mode L."""
        return _resized(drawing, self.width, self.height, self.resampling)


class FitShorterSide(torch.nn.Module):
    """Resize a drawing so that its shorter side has a length; the longer one is rounded down, as torchvision's Resize does.

    Args:
        side: in pixels.
        resampling: PIL's filter.
    """

    def __init__(self, side, resampling=Image.Resampling.BICUBIC):
        super().__init__()
        self.side, self.resampling = side, resampling

    def forward(self, drawing):
        """Take and return PIL images of mode L."""
        shorter = min(drawing.size)
        return _resized(drawing, *(int(self.side * length / shorter) for length in drawing.size), self.resampling)


class FitOnPaper(Stretch):
    """Shrink or enlarge a drawing to fit a size, its aspect kept, centred on white paper; arguments as `Stretch`."""

    def forward(self, drawing):
        """Take and return PIL images of mode L."""
        scale = min(self.width / drawing.width, self.height / drawing.height)
        width = min(max(round(drawing.width * scale), 1), self.width)
        height = min(max(round(drawing.height * scale), 1), self.height)
        return _centred_on_paper(_resized(drawing, width, height, self.resampling), self.height, self.width)


class CentreWindow(torch.nn.Module):
    """Cut the middle out of a drawing, on white paper where the drawing is smaller.

    Args:
        size: (height, width).
    """

    def __init__(self, size):
        super().__init__()
        self.height, self.width = size

    def forward(self, drawing):
        """Take and return PIL images of mode L."""
        height, width = max(drawing.height, self.height), max(drawing.width, self.width)
        return center_crop(_centred_on_paper(drawing, height, width), [self.height, self.width])


def _resized(drawing, width, height, resampling):
    # Along the rows first, whatever costs less: published features were computed so, and newer versions of Pillow choose.
    return drawing.resize((width, drawing.height), resampling).resize((width, height), resampling)


def _centred_on_paper(drawing, height, width):
    if drawing.size == (width, height):
        return drawing
    paper = Image.new("L", (width, height), PAPER)
    paper.paste(drawing, ((width - drawing.width) // 2, (height - drawing.height) // 2))
    return paper


class ToTensor(torch.nn.Module):
    """PIL image of mode L -> uint8 [1, height, width]."""

    def forward(self, drawing):
        """Copy the pixels."""
        return pil_to_tensor(drawing)


def build_resize(cfg, key):
    """Return a function of a PIL image of mode L -> PIL image of mode L, resized with anti-aliased INPUT.INTERPOLATION.

    The result has the size INPUT.<key>, unless INPUT.KEEP_ASPECT and FIT say otherwise: for crop, training drawings are
    resized so that their shorter side is that of SIZE_TRAIN, and `build_train_transform` takes the window; for shorter,
    nothing is cut from drawings resized so; for native, drawings stay as they are.

    Args:
        key: "SIZE_TRAIN" or "SIZE_TEST".

    Raises:
        ConfigError: no [height, width] in pixels; or FIT gives training drawings of various sizes.
    """
    given, size = cfg.INPUT, tuple(cfg.INPUT[key])
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"INPUT.{key}: {list(size)} is no [height, width] in pixels")
    resampling = Image.Resampling[given.INTERPOLATION.upper()]
    if not given.KEEP_ASPECT:
        return Stretch(size, resampling)
    if key == "SIZE_TRAIN" and given.FIT in VARIOUS_SIZES:
        raise ConfigError(
            f"INPUT.FIT: {given.FIT} leaves drawings of various sizes, so it is for tests; train with crop or paper"
        )
    if given.FIT == "paper":
        return FitOnPaper(size, resampling)
    if given.FIT == "native":
        return v2.Identity()
    shorter = FitShorterSide(min(size), resampling)
    return v2.Compose([shorter, CentreWindow(size)]) if given.FIT == "crop" and key == "SIZE_TEST" else shorter


def takes_window(cfg):
    """Tell whether training drawings come larger than INPUT.SIZE_TRAIN, for a random window to be taken of each."""
    return cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT == "crop"


def build_train_transform(cfg):
    """Return a function of a PIL image of mode L, resized by `build_resize` -> uint8 [1, height, width], as INPUT says.

    Order: the random window of FIT crop (white where the drawing is smaller), AutoAugment, random resized crop, pad and
    random crop, flip, rotation, colour jitter, affine, AugMix, blur, random erasing. Everything is drawn from torch's CPU
    generator. What a turned or shifted drawing uncovers gets INPUT.PADDING.VALUE, as the padding does. A grey drawing has no
    saturation and no hue: CJ's two are without effect.
    """
    given = cfg.INPUT
    outside = given.PADDING.VALUE
    steps = []
    if takes_window(cfg):
        steps.append(v2.RandomCrop(tuple(given.SIZE_TRAIN), pad_if_needed=True, fill=PAPER))
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
    if given.ROTATE.ENABLED:
        turn = v2.RandomRotation(given.ROTATE.DEGREES, interpolation=BILINEAR, fill=outside)
        steps.append(v2.RandomApply([turn], p=given.ROTATE.PROB))
    if given.CJ.ENABLED:
        jitter = v2.ColorJitter(brightness=given.CJ.BRIGHTNESS, contrast=given.CJ.CONTRAST)
        steps.append(v2.RandomApply([jitter], p=given.CJ.PROB))
    if given.AFFINE.ENABLED:
        steps.append(v2.RandomAffine(10, scale=(0.9, 1.1), shear=0.1, interpolation=BILINEAR, fill=outside))
    if given.AUGMIX.ENABLED:
        mix = v2.AugMix(severity=1, mixture_width=3, chain_depth=1, alpha=0.1, fill=outside)
        steps.append(v2.RandomApply([mix], p=given.AUGMIX.PROB))
    steps.append(ToTensor())
    if given.BLUR.ENABLED:
        blur = v2.GaussianBlur(blur_kernel_size(cfg), tuple(given.BLUR.SIGMA))
        steps.append(v2.RandomApply([blur], p=given.BLUR.PROB))
    if given.REA.ENABLED:
        steps.append(v2.RandomErasing(given.REA.PROB, scale=tuple(given.REA.AREA), value=erasing_grey(cfg)))
    return v2.Compose(steps)
