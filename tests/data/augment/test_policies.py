"""The policies of AutoAugment: the paper's table, fast-reid's magnitudes, and the choice of operations."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from fastpatent.data.augment.autoaugment import ENHANCEMENTS, LOOKUPS
from fastpatent.data.augment.policies import MOVES, WITHOUT_EFFECT, Operation, Policies, apply

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
        " ".join(f"{name} {chance:g} {'-' if level is None else level}".replace("0.", ".") for name, chance, level in policy)
        for policy in Policies().table
    ]
    assert found == PUBLISHED.replace("\n", "").split("|")


def test_every_operation_of_the_table_is_known():
    names = {name for policy in Policies().table for name, _, _ in policy}
    assert names == {*MOVES, *LOOKUPS, *ENHANCEMENTS, *WITHOUT_EFFECT, "AutoContrast", "Equalize"}


BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


def sheared(columns, resampling):
    """Function of a PIL image: rows move by `columns` each, on grey 200."""
    matrix = (1, columns, 0, 0, 1, 0)
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix, resampling, fillcolor=200)


# What fast-reid does at the levels of the table.
OPERATIONS = {
    Operation("Rotate", 9): lambda image: image.rotate(27, BILINEAR, fillcolor=200),
    Operation("Rotate", 8, bicubic=True): lambda image: image.rotate(24, BICUBIC, fillcolor=200),
    Operation("Rotate", 3, negative=True): lambda image: image.rotate(-9, BILINEAR, fillcolor=200),
    Operation("ShearX", 5): sheared(0.15, BILINEAR),
    Operation("ShearX", 5, negative=True, bicubic=True): sheared(-0.15, BICUBIC),
    Operation("Posterize", 8): lambda image: ImageOps.posterize(image, 7),
    Operation("Posterize", 7): lambda image: ImageOps.posterize(image, 6),
    Operation("Posterize", 6): lambda image: ImageOps.posterize(image, 6),
    Operation("Posterize", 5): lambda image: ImageOps.posterize(image, 6),
    Operation("Solarize", 3): lambda image: ImageOps.solarize(image, 76),
    Operation("Solarize", 4): lambda image: ImageOps.solarize(image, 102),
    Operation("Solarize", 5): lambda image: ImageOps.solarize(image, 128),
    Operation("Solarize", 7): lambda image: ImageOps.solarize(image, 179),
    Operation("Solarize", 8): lambda image: ImageOps.solarize(image, 204),
    Operation("Contrast", 8): lambda image: ImageEnhance.Contrast(image).enhance(1.54),
    Operation("Sharpness", 7): lambda image: ImageEnhance.Sharpness(image).enhance(1.36),
    Operation("AutoContrast", None): ImageOps.autocontrast,
    Operation("Equalize", None): ImageOps.equalize,
    Operation("Invert", None): ImageOps.invert,
}


def test_operations_have_the_published_magnitudes(noise):
    found = {operation._replace(negative=False, bicubic=False) for operation in Policies().operations}
    assert found == {operation._replace(negative=False, bicubic=False) for operation in OPERATIONS}
    image = Image.fromarray(noise(1, 40, 30)[0, 0].numpy() // 2 + 60)
    for operation, truth in OPERATIONS.items():
        np.testing.assert_array_equal(np.asarray(apply(operation, image, 200)), np.asarray(truth(image)), str(operation))


def test_signs_and_filters_are_equally_likely():
    policies = Policies()
    chosen = policies.choose(np.random.default_rng(0).uniform(size=(20000, 8)), 1.0)
    for name, level, variants in [
        ("Rotate", 9, 4),
        ("Rotate", 8, 4),
        ("ShearX", 5, 4),
        ("Solarize", 8, 1),
        ("Contrast", 8, 1),
    ]:
        numbers = [place for place, one in enumerate(policies.operations) if one[:2] == (name, level)]
        assert len(numbers) == variants
        assert stats.chisquare([np.count_nonzero(chosen == number) for number in numbers]).pvalue > 1e-3 or variants == 1


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.6])
def test_policies_are_chosen_at_their_probability(probability):
    policies = Policies()
    uniforms = np.random.default_rng(1).uniform(size=(20000, 8))
    chosen = policies.choose(uniforms, probability)
    for row, numbers in zip(uniforms[:2000], chosen):
        expected = [
            name if row[0] < probability and row[2 + stage] < chance and name != "Color" else None
            for stage, (name, chance, _) in enumerate(policies.table[int(row[1] * 25)])
        ]
        assert [policies.operations[number].name if number >= 0 else None for number in numbers] == expected
