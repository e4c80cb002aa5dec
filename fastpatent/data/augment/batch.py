"""The augmentation that a configuration asks for, as one function of a batch; and where it runs."""

import numpy as np
import torch

from fastpatent.data.augment.autoaugment import AutoAugment
from fastpatent.data.augment.blur import Blur, blur_kernel_size
from fastpatent.data.augment.crop import Flip, PadAndCrop
from fastpatent.data.augment.erasing import Erasing, erasing_grey
from fastpatent.data.augment.upload import upload
from fastpatent.data.seeding import uniforms
from fastpatent.data.transforms import takes_window
from fastpatent.errors import ConfigError

DRAWING_BY_DRAWING = ("CROP", "ROTATE", "CJ", "AFFINE", "AUGMIX")


class BatchAugmentation:
    """Augment batches where they lie. Nothing in it waits for a device.

    Args:
        steps: list of objects with `slots` and `plan`, see `Flip`, in the order to apply.
        seed: the run's; what an image gets is a function of it and of the image's position alone.
    """

    def __init__(self, steps, seed=0):
        self.steps, self.seed = steps, seed
        self._slots = np.concatenate([step.slots for step in steps])
        self._bounds = np.cumsum([len(step.slots) for step in steps])[:-1]

    def __call__(self, images, positions):
        """Return the augmented images; those given stay as they are.

        Args:
            images: uint8 [batch, 1, height, width] on any device.
            positions: int64 [batch] on the CPU: places in the sample stream.

        Returns:
            uint8 [batch, 1, height, width], contiguous, on the same device.
        """
        height, width = images.shape[2:]
        drawn = np.split(uniforms(self.seed, positions.numpy(), self._slots), self._bounds, axis=1)
        actions = [action for step, own in zip(self.steps, drawn) for action in step.plan(own, height, width)]
        tensors = iter(upload([array for action in actions for array in action.arrays], images.device))
        images = images.clone(memory_format=torch.contiguous_format)
        for function, arrays in actions:
            images = function(images, *(next(tensors) for _ in arrays))
        return images


def build_batch_augmentation(cfg):
    """Return the BatchAugmentation of INPUT, or None where INPUT enables nothing.

    Order as drawing by drawing: AutoAugment, pad and random crop, flip, blur, random erasing.

    Raises:
        ConfigError: an enabled step has no form for batches, or a value cannot be.
    """
    given = cfg.INPUT
    for step in _drawing_by_drawing(cfg):
        raise ConfigError(f"INPUT.{step}: it works drawing by drawing only; set INPUT.AUGMENT_ON to workers")
    steps = []
    if given.AUTOAUG.ENABLED:
        steps.append(AutoAugment(given.AUTOAUG.PROB, given.PADDING.VALUE))
    if given.PADDING.ENABLED:
        steps.append(PadAndCrop(given.PADDING.SIZE, given.PADDING.MODE, given.PADDING.VALUE))
    if given.FLIP.ENABLED:
        steps.append(Flip(given.FLIP.PROB))
    if given.BLUR.ENABLED:
        steps.append(Blur(blur_kernel_size(cfg), given.BLUR.SIGMA, given.BLUR.PROB))
    if given.REA.ENABLED:
        steps.append(Erasing(given.REA.PROB, erasing_grey(cfg), given.REA.AREA))
    return BatchAugmentation(steps, cfg.SEED) if steps else None


def augments_on_device(cfg, device_type):
    """Decide INPUT.AUGMENT_ON: whether batches are augmented where the network is, instead of drawings in the workers.

    Args:
        device_type: of the network's device: cuda, cpu or mps.

    Returns:
        (on the device, reason in words).

    Raises:
        ConfigError: the device is asked for, and an enabled step has no form for batches.
    """
    asked = cfg.INPUT.AUGMENT_ON
    if asked == "workers":
        return False, "INPUT.AUGMENT_ON is workers"
    for step in _drawing_by_drawing(cfg):
        if asked == "device":
            raise ConfigError(
                f"INPUT.AUGMENT_ON: device is asked for, but INPUT.{step} works drawing by drawing only; set it to workers"
            )
        return False, f"INPUT.{step} works drawing by drawing only"
    if asked == "device":
        return True, "INPUT.AUGMENT_ON is device"
    if device_type == "cuda":
        return True, "the network is on a card"
    return False, "the network is not on a card"


def _drawing_by_drawing(cfg):
    """Return the keys of INPUT that ask for what batches cannot be given; drawings of various sizes make no batch."""
    steps = ["FIT crop"] if takes_window(cfg) else []
    return steps + [f"{name}.ENABLED" for name in DRAWING_BY_DRAWING if cfg.INPUT[name].ENABLED]
