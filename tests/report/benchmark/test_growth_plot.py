"""Growth curves: their data, labels, ticks and colours."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from fastpatent.evaluation.benchmark import GROWTH_FIGURES
from fastpatent.report.benchmark.growth_plot import growth_figure, write_growth_plot


@pytest.fixture
def crowded(benchmark):
    """Fifteen systems with almost equal ends of their curves."""
    first = benchmark.results[0]
    benchmark.results = [
        replace(first, system=f"system {n}", growth={name: [0.6, 0.5, 0.4 + n / 2000] for name in GROWTH_FIGURES})
        for n in range(15)
    ]
    return benchmark


def test_every_panel_has_the_curves_on_a_logarithmic_axis(benchmark):
    figure = growth_figure(benchmark)
    assert [panel.get_title(loc="left") or panel.get_title() for panel in figure.axes] == list(GROWTH_FIGURES)
    for panel, name in zip(figure.axes, GROWTH_FIGURES):
        assert panel.get_xscale() == "log" and panel.get_ylim()[0] == 0
        curves = [line.get_xydata() for line in panel.lines if len(line.get_xdata()) == len(benchmark.sizes)]
        expected = [np.column_stack([benchmark.sizes, result.growth[name]]) for result in benchmark.results[:3]]
        assert sorted(curve.tolist() for curve in curves) == sorted(curve.tolist() for curve in expected)
        assert [int(tick) for tick in panel.get_xticks()] == benchmark.sizes


def test_labels_do_not_overlap_and_are_in_the_order_of_the_ends(crowded):
    figure = growth_figure(crowded)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labels = [text for text in figure.axes[-1].texts]
    boxes = sorted((text.get_window_extent(canvas.get_renderer()) for text in labels), key=lambda box: box.y0)
    assert len(boxes) == 15 and all(lower.y1 <= upper.y0 for lower, upper in zip(boxes, boxes[1:]))
    upwards = [text.get_text() for text in sorted(labels, key=lambda text: text.get_position()[1])]
    assert upwards == [f"system {n}" for n in range(15)]


def test_every_system_looks_different(crowded):
    lines = [line for line in growth_figure(crowded).axes[0].lines]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 15


def test_close_sizes_share_a_tick(benchmark):
    benchmark.sizes = [100, 110, 5000]
    assert [int(tick) for tick in growth_figure(benchmark).axes[0].get_xticks()] == [100, 5000]


def test_the_picture_is_a_png_with_the_colours_of_its_curves(benchmark, tmp_path):
    write_growth_plot(benchmark, tmp_path / "growth.png", dpi=100)
    picture = np.asarray(Image.open(tmp_path / "growth.png").convert("RGB"))
    assert picture.shape[1] > 900
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0, 0x9E, 0x73)):
        assert (picture == colour).all(axis=2).sum() > 100
