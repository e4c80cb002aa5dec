"""Bins that contain every value, and the colours of the picture."""

import numpy as np
from PIL import Image

from fastpatent.data.statistics import COMPONENTS, INK_SHARE, PER_PATENT, QUANTITIES, WIDTH
from fastpatent.report.histograms import bin_edges, write_histograms


def test_every_positive_value_is_in_one_bin():
    for values in ([1], [7, 7, 7], [2, 3], [1, 2, 3, 900], range(1, 5000, 70), [0, 0, 5]):
        for quantity in QUANTITIES:
            case = f"{quantity}: {values}"
            numbers = np.array(values, np.float64)
            edges = bin_edges(quantity, numbers)
            assert (np.diff(edges) > 0).all(), case
            inside = [sum(low <= value < high for low, high in zip(edges, edges[1:])) for value in numbers if value > 0]
            assert inside == [1] * len(inside), case
            assert np.histogram(numbers, edges)[0].sum() == len(inside), case


def test_small_numbers_have_bins_of_their_own():
    for quantity in (COMPONENTS, PER_PATENT):
        edges = bin_edges(quantity, np.array([1.0, 2, 3, 30]))
        assert {0.5, 1.5, 2.5, 3.5} <= set(edges)
    assert bin_edges(COMPONENTS, np.zeros(3)) is None and bin_edges(WIDTH, np.zeros(0)) is None


def pixels_of(path, colour):
    """Count the pixels close to a colour."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return (np.abs(picture - colour).max(axis=2) < 12).sum()


def test_every_group_is_drawn_in_its_colour(tmp_path):
    generator = np.random.default_rng(0)

    def group(scale):
        values = {name: generator.gamma(2.0, scale, 300) for name in QUANTITIES}
        return values | {COMPONENTS: np.floor(values[COMPONENTS]), INK_SHARE: np.clip(values[INK_SHARE] / 1000, 0, 1)}

    groups = {"_odd $x^2$ name": group(20), "test": group(40), "empty": {name: np.zeros(0) for name in QUANTITIES}}
    write_histograms(groups, tmp_path / "all.png", dpi=60)
    write_histograms({"test": groups["test"]}, tmp_path / "one.png", dpi=60)
    blue, orange = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert Image.open(tmp_path / "all.png").size == (660, 372)
    assert pixels_of(tmp_path / "all.png", blue) > 200 and pixels_of(tmp_path / "all.png", orange) > 200
    assert pixels_of(tmp_path / "one.png", blue) > 200 and pixels_of(tmp_path / "one.png", orange) == 0


def test_blank_drawings_alone_make_a_picture(tmp_path):
    write_histograms({"blank": {name: np.zeros(4) for name in QUANTITIES}}, tmp_path / "blank.png", dpi=40)
    assert Image.open(tmp_path / "blank.png").size[0] == 440
