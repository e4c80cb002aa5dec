"""Ink and stroke style of drawings of known strokes."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from fastpatent.data.records import Sample
from fastpatent.descriptors.stroke_style import stroke_style
from fastpatent.errors import DataError
from fastpatent.evaluation.analysis import looks
from fastpatent.evaluation.analysis.looks import INK, STYLE, measure_looks
from fastpatent.evaluation.groups import UNKNOWN

WIDTHS = (1, 3, 6, 10)


def drawing(path):
    """`<width>-<number>`: a frame of strokes of that width around `number` more rows of ink."""
    if "broken" in path:
        raise DataError(path)
    sheet = np.full((60, 60), 255, np.uint8)
    width, number = map(int, path.split("-"))
    if width:
        sheet[10 : 10 + width, 12:50] = sheet[10:50, 12 : 12 + width] = 0
        sheet[51 : 51 + number, 5:55] = 0
    return sheet


def test_styles_are_clusters_of_strokes_and_ink_is_in_quarters():
    paths = [f"{width}-{number}" for number in range(5) for width in WIDTHS] + ["0-0", "broken"]
    found = measure_looks([Sample(path, None) for path in paths], drawing)
    styles, ink = found.groupings[STYLE], found.groupings[INK]
    assert found.measured == 21 and styles[-2:] == [UNKNOWN, UNKNOWN] and ink[-1] == UNKNOWN
    values = np.stack([stroke_style(drawing(path)) for path in paths[:20]])
    truth = KMeans(4, n_init=20, random_state=0).fit(values)
    assert len(set(styles[:20])) == 4 and len(set(zip(styles[:20], truth.labels_))) == 4
    for label, row in found.examples.items():
        members = [n for n in range(20) if styles[n] == label]
        centre = values[members].mean(0)
        assert row == members[np.linalg.norm(values[members] - centre, axis=1).argmin()]
    lengths = [float(label.split(", ")[1].removesuffix(" px")) for label in sorted(found.examples)]
    assert [label[0] for label in sorted(found.examples)] == list("ABCD") and lengths == sorted(lengths)

    shares = np.array([(drawing(path) < 128).mean() * 100 for path in paths[:21]])
    for share, label in zip(shares, ink):
        low, high = map(float, label.removesuffix(" %").split(" to "))
        assert low - 0.05 <= share <= high + 0.05
    assert sorted(ink.count(label) for label in set(ink[:21])) == pytest.approx([5] * 4, abs=2)


def test_a_large_set_is_sampled_evenly_and_one_of_a_kind_has_no_groups(monkeypatch):
    monkeypatch.setattr(looks, "MOST", 3)
    read = []
    found = measure_looks([Sample(f"1-{n % 2}", None) for n in range(101)], lambda path: read.append(path) or drawing(path))
    assert read == ["1-0", "1-0", "1-0"] and found == ({}, {}, 3)
    assert measure_looks([Sample("broken", None)], drawing) == ({}, {}, 0)
