"""All steps together: the result depends on seed and position only; and what a configuration builds."""

import pickle

import numpy as np
import pytest
import torch

from fastpatent.data.augment import random_slots
from fastpatent.data.augment.autoaugment import AutoAugment
from fastpatent.data.augment.batch import BatchAugmentation, augments_on_device, build_batch_augmentation
from fastpatent.data.augment.blur import Blur
from fastpatent.data.augment.crop import Flip, PadAndCrop
from fastpatent.data.augment.erasing import Erasing
from fastpatent.data.augment.jitter import Jitter
from fastpatent.data.augment.lines import Lines
from fastpatent.data.augment.rotation import Rotation
from fastpatent.errors import ConfigError

STEPS = ("LINES", "AUTOAUG", "PADDING", "FLIP", "ROTATE", "CJ", "BLUR", "REA")


@pytest.fixture(params=["constant", "reflect"])
def augmentation(cfg, request):
    """All steps enabled, for images of 24 x 37."""
    for name in STEPS:
        cfg.INPUT[name].ENABLED = True
    cfg.INPUT.SIZE_TRAIN, cfg.INPUT.AUTOAUG.PROB, cfg.SEED = [24, 37], 0.8, 3
    cfg.INPUT.PADDING.MODE, cfg.INPUT.LINES.DASH = request.param, 0.5
    return build_batch_augmentation(cfg)


def test_a_batch_of_one_gets_what_it_gets_among_37(augmentation, noise):
    images, positions = noise(37, 24, 37), torch.arange(100, 137)
    together = augmentation(images, positions)
    assert together.dtype == torch.uint8 and together.shape == images.shape and together.is_contiguous()
    for number in range(37):
        assert torch.equal(augmentation(images[number : number + 1], positions[number : number + 1])[0], together[number])


def test_order_in_the_batch_is_without_effect(augmentation, noise):
    images, positions = noise(64, 24, 37), torch.arange(64) * 10**9
    order = torch.from_numpy(np.random.default_rng(0).permutation(64))
    assert torch.equal(augmentation(images, positions)[order], augmentation(images[order], positions[order]))


def test_position_and_seed_decide(augmentation, noise):
    image = noise(1, 24, 37).expand(300, -1, -1, -1)
    found = augmentation(image, torch.arange(300))
    assert torch.equal(augmentation(image, torch.arange(300)), found)
    assert len(torch.unique(found.flatten(1), dim=0)) > 290
    other = BatchAugmentation(augmentation.steps, seed=4)(image, torch.arange(300))
    assert (found != other).any((1, 2, 3)).float().mean() > 0.95


def test_threads_are_without_effect(augmentation, noise):
    threads = torch.get_num_threads()
    images, positions = noise(40, 24, 37), torch.arange(40)
    found = []
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            found.append(augmentation(images, positions))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_the_input_is_not_changed_and_the_output_is_contiguous(augmentation, noise):
    for layout in ["contiguous", "channels_last", "expanded", "strided"]:
        images = noise(8, 24, 37)
        if layout == "channels_last":
            images = images.to(memory_format=torch.channels_last)
        elif layout == "expanded":
            images = images[:1].expand(8, -1, -1, -1)
        elif layout == "strided":
            images = noise(16, 24, 37)[::2]
        before = images.clone()
        found = augmentation(images, torch.arange(8))
        assert torch.equal(images, before) and found.is_contiguous(), f"{layout=}"
        assert torch.equal(found, augmentation(before.contiguous(), torch.arange(8))), f"{layout=}"


def test_torchs_generator_is_not_used(augmentation, noise):
    state = torch.get_rng_state()
    augmentation(noise(4, 24, 37), torch.arange(4))
    assert torch.equal(torch.get_rng_state(), state)


def test_any_size_and_an_empty_batch(augmentation, noise):
    for size in ((24, 37), (64, 20), (24, 37)):
        assert augmentation(noise(5, *size), torch.arange(5)).shape == (5, 1, *size)
    assert augmentation(noise(0, 24, 37), torch.arange(0)).shape == (0, 1, 24, 37)


def test_it_can_be_sent_to_a_spawned_process(augmentation, noise):
    images = noise(20, 24, 37)
    copy = pickle.loads(pickle.dumps(augmentation))
    assert torch.equal(copy(images, torch.arange(20)), augmentation(images, torch.arange(20)))


def test_switching_a_step_off_changes_no_random_number_of_others(cfg, noise):
    """The erased rectangle of an image is the same with and without the steps before it."""
    cfg.INPUT.REA.ENABLED, cfg.INPUT.REA.VALUE, cfg.INPUT.SIZE_TRAIN = True, [7.0], [32, 32]
    white = torch.full((50, 1, 32, 32), 255, dtype=torch.uint8)
    few = build_batch_augmentation(cfg)(white, torch.arange(50)) == 7
    cfg.INPUT.FLIP.ENABLED = cfg.INPUT.PADDING.ENABLED = cfg.INPUT.AUTOAUG.ENABLED = cfg.INPUT.BLUR.ENABLED = True
    cfg.INPUT.PADDING.VALUE = 255
    assert few.any() and torch.equal(build_batch_augmentation(cfg)(white, torch.arange(50)) == 7, few)


def test_slots_of_steps_are_apart():
    slots = [slot for name in dir(random_slots) if name.endswith("_SLOTS") for slot in getattr(random_slots, name)]
    assert len(slots) == len(set(slots)) == 8 + 2 + 1 + 2 + 4 + 2 + 23 + 6


def test_the_configuration_decides_the_steps_and_their_order(cfg):
    for name in STEPS:
        cfg.INPUT[name].ENABLED = True
    cfg.INPUT.PADDING.update({"SIZE": 3, "MODE": "edge", "VALUE": 200})
    cfg.INPUT.BLUR.update({"SIGMA": [0.5, 1.5], "PROB": 0.4})
    cfg.INPUT.REA.update({"PROB": 0.2, "VALUE": [10, 20, 40], "AREA": [0.1, 0.2]})
    cfg.INPUT.ROTATE.update({"PROB": 0.7, "DEGREES": 12.0})
    cfg.INPUT.CJ.update({"PROB": 0.6, "BRIGHTNESS": 0.25, "CONTRAST": 0.5})
    cfg.INPUT.FLIP.PROB, cfg.SEED = 0.3, 9
    cfg.INPUT.AUTOAUG.update({"PROB": 0.1, "FILL": 255})
    cfg.INPUT.LINES.update({"PROB": 0.6, "WIDTH": 1.5, "DASH": 0.7})
    built = build_batch_augmentation(cfg)
    lines, policies, crop, flip, rotation, jitter, blur, erasing = built.steps
    expected = [Lines, AutoAugment, PadAndCrop, Flip, Rotation, Jitter, Blur, Erasing]
    assert [type(step) for step in built.steps] == expected and built.seed == 9
    assert (lines.probability, lines.width, lines.dash) == (0.6, 1.5, 0.7)
    assert (policies.probability, policies.fill) == (0.1, 255)
    assert (crop.padding, crop.mode, crop.value) == (3, "edge", 200)
    assert flip.probability == 0.3
    assert (rotation.degrees, rotation.fill, rotation.probability) == (12.0, 200, 0.7)
    assert (jitter.brightness, jitter.contrast, jitter.probability) == (0.25, 0.5, 0.6)
    assert (blur.kernel_size, blur.sigma, blur.probability) == (11, [0.5, 1.5], 0.4)
    assert (erasing.probability, erasing.value, erasing.area) == (0.2, 23, [0.1, 0.2])


def test_each_step_is_switched_by_its_key(cfg):
    for name in STEPS:
        one = cfg.clone()
        one.INPUT[name].ENABLED = True
        assert len(build_batch_augmentation(one).steps) == 1, f"{name=}"


def test_nothing_enabled_is_none(cfg):
    assert build_batch_augmentation(cfg) is None


@pytest.mark.parametrize("name", ["CROP", "AFFINE", "AUGMIX"])
def test_steps_that_work_on_single_images_only(cfg, name):
    cfg.INPUT[name].ENABLED = True
    with pytest.raises(ConfigError, match=rf"INPUT.{name}.*: .*INPUT.AUGMENT_ON"):
        build_batch_augmentation(cfg)
    for asked, device in (("auto", "cuda"), ("auto", "cpu"), ("workers", "cuda")):
        cfg.INPUT.AUGMENT_ON = asked
        on_device, reason = augments_on_device(cfg, device)
        assert not on_device and ("workers" if asked == "workers" else f"INPUT.{name}") in reason
    cfg.INPUT.AUGMENT_ON = "device"
    with pytest.raises(ConfigError, match=rf"INPUT.AUGMENT_ON: .*INPUT.{name}"):
        augments_on_device(cfg, "cuda")


def test_where_it_runs(cfg):
    for asked, device, expected, reason in [
        ("auto", "cuda", True, "on a GPU"),
        ("auto", "cpu", False, "not on a GPU"),
        ("auto", "mps", False, "not on a GPU"),
        ("device", "cpu", True, "INPUT.AUGMENT_ON"),
        ("workers", "cuda", False, "INPUT.AUGMENT_ON"),
    ]:
        cfg.INPUT.AUGMENT_ON, cfg.INPUT.FLIP.ENABLED = asked, True
        on_device, words = augments_on_device(cfg, device)
        assert on_device is expected and reason in words, f"{asked=}, {device=}, {expected=}, {reason=}"


def test_a_blur_wider_than_the_image_is_refused(cfg):
    cfg.INPUT.BLUR.ENABLED, cfg.INPUT.BLUR.SIGMA = True, [1, 9]
    with pytest.raises(ConfigError, match="INPUT.BLUR.SIGMA"):
        build_batch_augmentation(cfg)
