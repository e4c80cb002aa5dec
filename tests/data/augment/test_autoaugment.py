"""AutoAugment of batches against v2.AutoAugment with the same choices, one image at a time."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from fastpatent.data.augment.autoaugment import AutoAugment
from fastpatent.data.augment.policies import Operation, Policies
from fastpatent.data.augment.random_slots import AUTOAUGMENT_SLOTS
from fastpatent.data.seeding import uniforms

POLICIES = Policies(fill=255)


@pytest.fixture
def lead(monkeypatch):
    """Function (torchvision's transform, image, six uniforms) that makes the choices given by the uniforms."""

    def transform(theirs, image, uniform):
        policy = int(uniform[1] * len(POLICIES.table))
        numbers = []
        for (name, chance, _), applies, sign in zip(POLICIES.table[policy], uniform[2:4], uniform[4:6]):
            numbers.append(applies)
            if applies <= chance and POLICIES.is_signed(name):
                numbers.append(1 - sign)
        numbers = iter(numbers)
        with monkeypatch.context() as patched:
            patched.setattr(torch, "randint", lambda *_: policy)
            patched.setattr(torch, "rand", lambda *_: torch.tensor(next(numbers), dtype=torch.float64))
            result = theirs(image)
        assert next(numbers, None) is None
        return result

    return transform


@pytest.mark.parametrize("size, fill", [((32, 32), 0), ((24, 37), 255), ((41, 16), 77)])
def test_each_image_is_torchvisions(alone, noise, lead, size, fill):
    """Bit for bit, except contrast and sharpness (see test_enhance). 900 images cover every policy, choice and sign."""
    images = noise(900, *size)
    images[::2] = images[::2] // 4 + 60  # few levels, so that AutoContrast and Equalize have an effect
    images[::3, :, 5:9, 2:12] = 255
    found = alone(AutoAugment(1.0, fill), images, seed=5)
    theirs = v2.AutoAugment(fill=fill)
    drawn = uniforms(5, np.arange(900), AUTOAUGMENT_SLOTS)
    for image, one, uniform in zip(images, found, drawn):
        difference = (one.int() - lead(theirs, image, uniform).int()).abs()
        names = {name for name, _, _ in POLICIES.table[int(uniform[1] * 25)]}
        if names & {"Contrast", "Sharpness"}:
            assert difference.max() <= 1 and (difference > 0).float().mean() < 0.02
        else:
            assert not difference.any()


def test_images_get_a_policy_at_the_probability(alone, noise):
    for probability in [0.0, 0.1, 0.6]:
        images = noise(12000, 20, 20) // 4 * 3 + 25  # every operation but Color changes these
        changed = (alone(AutoAugment(probability), images) != images).any((1, 2, 3)).double().mean()
        stays = [np.prod([1 - chance for name, chance, _ in policy if name != "Color"]) for policy in POLICIES.table]
        expected = probability * (1 - np.mean(stays))
        assert abs(changed - expected) <= 3 * (expected * (1 - expected) / 12000) ** 0.5, f"{probability=}"


OPERATIONS = sorted(
    {
        Operation(name, index, minus and POLICIES.is_signed(name))
        for policy in POLICIES.table
        for name, _, index in policy
        for minus in (False, True)
    },
    key=str,
)


def test_pil_and_tensors_differ_by_little(noise):
    """In `build_train_transform` the same operations run on PIL images: how much the results may differ."""
    for operation in OPERATIONS:
        for image in (noise(1, 64, 48)[0], noise(1, 64, 48)[0] // 4 + 60):
            pil = pil_to_tensor(POLICIES.apply(operation, to_pil_image(image))).int()
            difference = (pil - POLICIES.apply(operation, image).int()).abs()
            if operation.name in ("Rotate", "ShearX"):  # of two equally near pixels either may be taken
                assert (difference > 0).float().mean() < 0.003, operation
            elif operation.name == "Solarize":  # 255 * 2 / 3, the threshold, is above 170 in float32
                assert not difference[image != 170].any(), operation
            elif operation.name in ("AutoContrast", "Contrast", "Sharpness"):
                assert difference.max() <= 1, operation  # PIL rounds the mean and other results, tensors are truncated
            else:
                assert not difference.any(), operation
