"""The batch augmentation of a configuration, and the choice of where augmentation runs."""

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent.data.augment.autoaugment import AutoAugment
from fastpatent.data.augment.blur import Blur, blur_kernel_size
from fastpatent.data.augment.crop import Flip, PadAndCrop
from fastpatent.data.augment.erasing import Erasing, erasing_grey
from fastpatent.data.augment.jitter import Jitter
from fastpatent.data.augment.lines import Lines
from fastpatent.data.augment.random_slots import Step
from fastpatent.data.augment.rotation import Rotation
from fastpatent.data.augment.to_device import copy_to_device
from fastpatent.data.seeding import uniforms
from fastpatent.errors import ConfigError

DRAWING_BY_DRAWING = ("CROP", "AFFINE", "AUGMIX")


class BatchAugmentation:
    """Augment batches on their device, without synchronising with it.

    Args:
        steps: list of steps, in the order of application.
        seed: seed of the run; the augmentation of an image depends on it and on the image's position only.
    """

    def __init__(self, steps: list[Step], seed: int = 0) -> None:
        self.steps, self.seed = steps, seed
        self._slots = np.concatenate([step.slots for step in steps])
        self._bounds = np.cumsum([len(step.slots) for step in steps])[:-1]

    def __call__(self, images: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return the augmented images; the input is not modified.

        Args:
            images: uint8 [batch, 1, height, width] on any device.
            positions: int64 [batch] on the CPU: positions in the sample stream.

        Returns:
            uint8 [batch, 1, height, width], contiguous, on the same device.
        """
        height, width = images.shape[2:]
        drawn = np.split(uniforms(self.seed, positions.numpy(), self._slots), self._bounds, axis=1)
        actions = [action for step, own in zip(self.steps, drawn) for action in step.plan(own, height, width)]
        tensors = iter(copy_to_device([array for action in actions for array in action.arrays], images.device))
        images = images.clone(memory_format=torch.contiguous_format)
        for function, arrays in actions:
            images = function(images, *(next(tensors) for _ in arrays))
        return images


def build_batch_augmentation(cfg: CfgNode) -> BatchAugmentation | None:
    """Return the BatchAugmentation of INPUT, or None if INPUT enables no step.

    Order as in `build_train_transform`: lines, AutoAugment, pad and random crop, flip, rotation, brightness and contrast,
    blur, random erasing. The random crop of FIT crop comes before, see `build_window`.

    Raises:
        ConfigError: an enabled step is not available for batches, or a value is invalid.
    """
    given = cfg.INPUT
    for step in _drawing_by_drawing(cfg):
        raise ConfigError(f"INPUT.{step}: it works on single images only; set INPUT.AUGMENT_ON to workers")
    steps: list[Step] = []
    if given.LINES.ENABLED:
        steps.append(Lines(given.LINES.PROB, given.LINES.WIDTH, given.LINES.DASH))
    if given.AUTOAUG.ENABLED:
        steps.append(AutoAugment(given.AUTOAUG.PROB, given.AUTOAUG.FILL))
    if given.PADDING.ENABLED:
        steps.append(PadAndCrop(given.PADDING.SIZE, given.PADDING.MODE, given.PADDING.VALUE))
    if given.FLIP.ENABLED:
        steps.append(Flip(given.FLIP.PROB))
    if given.ROTATE.ENABLED:
        steps.append(Rotation(given.ROTATE.DEGREES, given.PADDING.VALUE, given.ROTATE.PROB))
    if given.CJ.ENABLED:
        steps.append(Jitter(given.CJ.BRIGHTNESS, given.CJ.CONTRAST, given.CJ.PROB))
    if given.BLUR.ENABLED:
        steps.append(Blur(blur_kernel_size(cfg), given.BLUR.SIGMA, given.BLUR.PROB))
    if given.REA.ENABLED:
        steps.append(Erasing(given.REA.PROB, erasing_grey(cfg), given.REA.AREA))
    return BatchAugmentation(steps, cfg.SEED) if steps else None


def augments_on_device(cfg: CfgNode, device_type: str) -> tuple[bool, str]:
    """Resolve INPUT.AUGMENT_ON: whether batches are augmented on the network's device, or single images in the workers.

    Args:
        device_type: type of the network's device: cuda, cpu or mps.

    Returns:
        (whether on the device, the reason in words).

    Raises:
        ConfigError: AUGMENT_ON is device, and an enabled step is not available for batches.
    """
    asked = cfg.INPUT.AUGMENT_ON
    if asked == "workers":
        return False, "INPUT.AUGMENT_ON is workers"
    for step in _drawing_by_drawing(cfg):
        if asked == "device":
            raise ConfigError(
                f"INPUT.AUGMENT_ON: it is device, but INPUT.{step} works on single images only; set it to workers"
            )
        return False, f"INPUT.{step} works on single images only"
    if asked == "device":
        return True, "INPUT.AUGMENT_ON is device"
    if device_type == "cuda":
        return True, "the network is on a GPU"
    return False, "the network is not on a GPU"


def _drawing_by_drawing(cfg: CfgNode) -> list[str]:
    """Return the enabled keys of INPUT that batches do not support."""
    return [f"{name}.ENABLED" for name in DRAWING_BY_DRAWING if cfg.INPUT[name].ENABLED]
