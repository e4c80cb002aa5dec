"""Zero-shot classification against averages and an argmax in float64."""

import csv

import numpy as np
import pytest

from fastpatent.data.impact.classes import design_class
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.classification import Labelled
from fastpatent.evaluation.design_classes import TITLES, class_title
from fastpatent.evaluation.zero_shot import TEMPLATES, class_features, classify, prompts

NAMES = [f"class {number}" for number in range(9)]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_prompts_go_class_by_class():
    found = prompts(["lamps", "{odd} {}"], ["a drawing of {}.", "{}, {}"])
    assert found == ["a drawing of lamps.", "lamps, lamps", "a drawing of {odd} {}.", "{odd} {}, {odd} {}"]
    assert len(set(prompts(NAMES))) == len(NAMES) * len(TEMPLATES)


def test_templates_without_a_place():
    for templates, message in ((["a {}", "a drawing"], "'a drawing' was given; each needs {}"), ([], "none was given")):
        with pytest.raises(ConfigError, match=message):
            prompts(NAMES, templates)


def test_prompts_of_a_class_are_normalised_and_averaged():
    rows = np.random.default_rng(0).standard_normal((12, 5)) * np.arange(1, 13)[:, None]
    expected = [unit(np.mean([unit(rows[3 * number + place]) for place in range(3)], axis=0)) for number in range(4)]
    np.testing.assert_allclose(class_features(rows, 3), expected, atol=1e-6)
    with pytest.raises(DataError, match="12 prompt features are not a multiple of 5 templates"):
        class_features(rows, 5)


def test_the_nearest_class_is_predicted_and_the_nearest_five_are_counted():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((len(NAMES), 6)).astype(np.float32)
    truth = rng.integers(0, len(NAMES), 200)
    images = features[truth] + 1.5 * rng.standard_normal((200, 6)).astype(np.float32)
    test = Labelled(images, [NAMES[number] for number in truth], [f"patent {row // 2}" for row in range(200)])
    found = classify(test, features, NAMES)
    order = np.argsort(-(unit(images.astype(np.float64)) @ unit(features.astype(np.float64)).T), axis=1)
    assert found.accuracy.mean == pytest.approx(np.mean(order[:, 0] == truth), abs=1e-12)
    assert found.top5.mean == pytest.approx(np.mean((order[:, :5] == truth[:, None]).any(axis=1)), abs=1e-12)
    assert 0.2 < found.accuracy.mean < found.top5.mean < 1


def test_of_two_equally_near_classes_the_first_is_predicted():
    test = Labelled(np.ones((3, 4), np.float32), ["b", "a", "c"], [None] * 3)
    found = classify(test, np.ones((3, 4)), ["a", "b", "c"])
    assert {of.name: of.recall for of in found.classes} == {"a": 1, "b": 0, "c": 0} and found.top5 is None


def test_a_class_without_features():
    with pytest.raises(DataError, match="2 class features, but 3 class names"):
        classify(Labelled(np.ones((1, 4)), ["a"], [None]), np.ones((2, 4)), ["a", "b", "c"])


def test_the_office_has_33_design_classes():
    numbers = sorted(int(name.removeprefix("D")) for name in TITLES)
    assert numbers == [number for number in range(1, 35) if number not in (31, 33)] + [99]
    assert len(set(TITLES.values())) == 33
    assert class_title("D26") == "lighting" and class_title("Plate") == "Plate"


def test_the_classes_of_real_patents_have_titles(shared):
    with open(shared / "impact" / "sample.csv", encoding="utf-8", newline="") as file:
        found = {design_class(row["class"]) for row in csv.DictReader(file)}
    assert len(found) > 10 and found <= set(TITLES)
