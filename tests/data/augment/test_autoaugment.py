"""AutoAugment of batches against the operations of single PIL images, with the same choices."""

import numpy as np
import pytest
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from fastpatent.data.augment.autoaugment import AutoAugment
from fastpatent.data.augment.policies import MOVES, Policies, apply
from fastpatent.data.augment.random_slots import AUTOAUGMENT_SLOTS
from fastpatent.data.seeding import uniforms

POLICIES = Policies()
WITHIN_A_LEVEL = (*MOVES, "AutoContrast", "Contrast", "Sharpness")  # float32, and PIL rounds what is truncated here


@pytest.mark.parametrize("size, fill", [((32, 32), 0), ((24, 37), 255), ((41, 16), 77)])
def test_each_image_is_that_of_the_path_of_single_images(alone, noise, size, fill):
    """900 images cover every policy, sign and filter. An Equalize after a difference of a level spreads it a little."""
    images = noise(900, *size)
    images[::2] = images[::2] // 4 + 60  # few levels, so that AutoContrast and Equalize have an effect
    images[::3, :, 5:9, 2:12] = 255
    found = alone(AutoAugment(1.0, fill), images, seed=5)
    chosen, seen = POLICIES.choose(uniforms(5, np.arange(900), AUTOAUGMENT_SLOTS), 1.0), set()
    for image, one, numbers in zip(images, found, chosen):
        operations = [POLICIES.operations[number] for number in numbers if number >= 0]
        expected = to_pil_image(image)
        for operation in operations:
            expected = apply(operation, expected, fill)
        difference = (one.int() - pil_to_tensor(expected).int()).abs()
        inexact = [operation.name in WITHIN_A_LEVEL for operation in operations]
        if not any(inexact):
            assert not difference.any(), operations
        elif inexact[0] and len(operations) > 1:
            assert difference.float().mean() < 0.3, operations
        else:
            assert difference.max() <= 1, operations
        seen.update(operations)
    assert seen == set(POLICIES.operations)


def test_images_get_a_policy_at_the_probability(alone, noise):
    for probability in [0.0, 0.1, 0.6]:
        images = noise(12000, 20, 20) // 4 * 3 + 25  # every operation but Color changes these
        changed = (alone(AutoAugment(probability, 128), images) != images).any((1, 2, 3)).double().mean()
        stays = [np.prod([1 - chance for name, chance, _ in policy if name != "Color"]) for policy in POLICIES.table]
        expected = probability * (1 - np.mean(stays))
        assert abs(changed - expected) <= 3 * (expected * (1 - expected) / 12000) ** 0.5, f"{probability=}"
