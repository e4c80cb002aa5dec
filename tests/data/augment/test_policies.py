"""The private names of torchvision that are used: these tests fail when torchvision changes."""

import inspect

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from fastpatent.data.augment.autoaugment import ENHANCEMENTS, LOOKUPS, MOVES, WITHOUT_EFFECT
from fastpatent.data.augment.policies import BINS, Operation, Policies

PUBLISHED = """Posterize .4 8 Rotate .6 9|Solarize .6 5 AutoContrast .6 -|Equalize .8 - Equalize .6 -|
Posterize .6 7 Posterize .6 6|Equalize .4 - Solarize .2 4|Equalize .4 - Rotate .8 8|Solarize .6 3 Equalize .6 -|
Posterize .8 5 Equalize 1 -|Rotate .2 3 Solarize .6 8|Equalize .6 - Posterize .4 6|Rotate .8 8 Color .4 0|
Rotate .4 9 Equalize .6 -|Equalize 0 - Equalize .8 -|Invert .6 - Equalize 1 -|Color .6 4 Contrast 1 8|
Rotate .8 8 Color 1 2|Color .8 8 Solarize .8 7|Sharpness .4 7 Invert .6 -|ShearX .6 5 Equalize 1 -|
Color .4 0 Equalize .6 -|Equalize .4 - Solarize .2 4|Solarize .6 5 AutoContrast .6 -|Invert .6 - Equalize 1 -|
Color .6 4 Contrast 1 8|Equalize .8 - Equalize .6 -"""


def test_the_table_is_the_papers():
    """Table 9 of Cubuk et al., without the magnitudes of operations that have none."""
    found = [
        " ".join(f"{name} {chance:g} {'-' if index is None else index}".replace("0.", ".") for name, chance, index in policy)
        for policy in Policies().table
    ]
    assert found == PUBLISHED.replace("\n", "").split("|")


def test_every_operation_of_the_table_is_known():
    names = {name for policy in Policies().table for name, _, _ in policy}
    assert names == {*MOVES, *LOOKUPS, *ENHANCEMENTS, *WITHOUT_EFFECT, "AutoContrast", "Equalize"}


def test_magnitudes():
    for operation, magnitude in [
        (Operation("Rotate", 9, False), 30.0),
        (Operation("Rotate", 3, True), -10.0),
        (Operation("ShearX", 5, True), -0.5 / 3),
        (Operation("Contrast", 8, False), 0.8),
        (Operation("Sharpness", 7, True), -0.7),
        (Operation("Posterize", 8, False), 4),
        (Operation("Solarize", 3, False), 2 / 3),
        (Operation("Equalize", None, False), 0.0),
    ]:
        assert Policies().magnitude(operation, 64, 48) == pytest.approx(magnitude, abs=1e-6), f"{operation=}, {magnitude=}"


def test_signs():
    for name, signed in [
        ("Rotate", True),
        ("ShearX", True),
        ("Contrast", True),
        ("Sharpness", True),
        ("Invert", False),
        ("Solarize", False),
    ]:
        assert Policies().is_signed(name) is signed, f"{name=}, {signed=}"


def test_operations_are_torchvisions_public_functions(noise):
    for operation, truth in [
        (Operation("Rotate", 9, True), lambda image: functional.rotate(image, -30.0, fill=200)),
        (Operation("Posterize", 8, False), lambda image: functional.posterize(image, 4)),
        (Operation("Invert", None, False), lambda image: 255 - image),
        (Operation("Equalize", None, False), functional.equalize),
        (Operation("AutoContrast", None, False), functional.autocontrast),
    ]:
        images = noise(3, 20, 30) // 3
        assert torch.equal(Policies(fill=200).apply(operation, images), truth(images)), f"{operation=}"


def test_the_bins_are_those_that_torchvision_asks_for():
    assert f"magnitudes_fn({BINS}, height, width)" in inspect.getsource(v2.AutoAugment.forward)
