"""Random erasing against torchvision's rectangles, and filled by loops."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fastpatent.data.augment.erasing import AREA, ATTEMPTS, Erasing, rectangles
from fastpatent.data.augment.random_slots import ERASING_SLOTS, whole
from fastpatent.data.seeding import uniforms


class Scripted:
    """Replaces torch.empty(1).uniform_(low, high) and returns the numbers of a list."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def uniform_(self, low, high):
        return torch.tensor([float(low) + (float(high) - float(low)) * next(self.numbers)], dtype=torch.float64)


@pytest.mark.parametrize("size", [(32, 32), (20, 64), (90, 24), (2, 2)])
def test_rectangles_are_those_that_torchvision_makes_of_the_same_numbers(monkeypatch, size):
    """2 x 2 and long drawings make attempts fail."""
    for area in [(0.02, 0.33), [0.22, 0.33], [0.5, 0.9]]:
        drawn = uniforms(0, np.arange(300), range(2 * ATTEMPTS))
        rows, columns = rectangles(drawn[:, :ATTEMPTS], drawn[:, ATTEMPTS:], *size, area)
        theirs = v2.RandomErasing(scale=area)
        image = torch.zeros(1, *size)
        for numbers, height, width in zip(drawn, rows, columns):
            script = Scripted(np.stack([numbers[:ATTEMPTS], numbers[ATTEMPTS:]], axis=1).ravel())
            with monkeypatch.context() as patched:
                patched.setattr(torch, "empty", lambda *_: script)
                given = theirs.make_params([image])
            assert (height, width) == ((given["h"], given["w"]) if given["v"] is not None else (0, 0)), f"{area=}"


def test_one_rectangle_is_painted_at_its_probability(alone, noise):
    for probability in [0.0, 0.5, 1.0]:
        for value, area in [(0, AREA), (114, AREA), (255, (0.4, 0.6))]:
            images = noise(600, 21, 33)
            found = alone(Erasing(probability, value, area), images, seed=3)
            drawn = uniforms(3, np.arange(600), ERASING_SLOTS)
            fires = drawn[:, 0] < probability
            rows, columns = rectangles(drawn[:, 3 : 3 + ATTEMPTS], drawn[:, 3 + ATTEMPTS :], 21, 33, area)
            truth = images.clone()
            for number in np.flatnonzero(fires):
                top = whole(drawn[number, 1], 21 - rows[number] + 1)
                left = whole(drawn[number, 2], 33 - columns[number] + 1)
                truth[number, 0, top : top + rows[number], left : left + columns[number]] = value
            assert torch.equal(found, truth), f"{probability=}, {value=}, {area=}"
            assert abs(fires.mean() - probability) <= 3 * (probability * (1 - probability) / 600) ** 0.5, (
                f"{probability=}, {value=}, {area=}"
            )


def test_rectangles_touch_every_border(alone):
    painted = alone(Erasing(1.0, 1), torch.zeros(2000, 1, 12, 12, dtype=torch.uint8))[:, 0]
    assert all(edge.any() for edge in (painted[:, 0], painted[:, -1], painted[:, :, 0], painted[:, :, -1]))
    assert 0.02 - 0.01 < painted.float().mean((1, 2)).min() and painted.float().mean((1, 2)).max() < 0.33 + 0.05
