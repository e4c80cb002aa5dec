"""Components, ink, sizes and patents against scipy, direct counting and known drawings."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fastpatent.data.image import read_drawing
from fastpatent.data.image_files import find_drawings
from fastpatent.data.records import Sample, Splits
from fastpatent.data.statistics import (
    ASPECT,
    COMPONENTS,
    HEIGHT,
    INK_SHARE,
    PER_PATENT,
    QUANTITIES,
    WIDTH,
    Measures,
    grouped_samples,
    measure,
    measure_drawings,
    quantities,
    summarise,
)

EIGHT = np.ones((3, 3))


def test_components_are_those_of_scipy():
    for share in [0.0, 0.02, 0.2, 0.5, 0.9, 1.0]:
        generator = np.random.default_rng(int(100 * share))
        drawing = np.where(generator.random((61, 83)) < share, generator.integers(0, 128, (61, 83)), 255).astype(np.uint8)
        measured = measure(drawing)
        assert measured.components == ndimage.label(drawing < 128, EIGHT)[1], f"{share=}"
        assert measured.ink == pytest.approx(sum(grey < 128 for row in drawing.tolist() for grey in row) / (61 * 83)), (
            f"{share=}"
        )
        assert (measured.width, measured.height) == (83, 61), f"{share=}"


def test_an_oblique_line_is_one_component_and_mid_grey_is_paper():
    drawing = np.full((6, 9), 255, np.uint8)
    drawing[range(5), range(5)] = 0
    drawing[0, 8] = 127
    drawing[5, 8] = 128
    assert measure(drawing) == Measures(2, 6 / 54, 9, 6)


def test_real_sheets(shared):
    folder = shared / "impact/patents"
    for relative in find_drawings(folder)[0][::73]:
        drawing = read_drawing(folder / relative)
        assert measure(drawing).components == ndimage.label(drawing < 128, EIGHT)[1] > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_measured_in_processes_and_faults_named(tmp_path, write_drawing, workers):
    paths = [str(write_drawing(tmp_path / f"{number}.png", number)) for number in range(40)]
    (tmp_path / "7.png").write_bytes(b"")
    (tmp_path / "9.png").unlink()
    calls = []
    measures, faults = measure_drawings(paths, workers, lambda *progress: calls.append(progress))
    assert measures == {path: measure(read_drawing(path)) for path in paths if path not in (paths[7], paths[9])}
    assert [fault.split(": ")[0] for fault in faults] == [paths[7], paths[9]]
    assert "empty" in faults[0] and "no such drawing" in faults[1]
    assert calls == [(done, 40) for done in range(1, 41)]


def test_quantities_of_readable_drawings_and_listed_patents():
    samples = [Sample("a", "one"), Sample("b", "one"), Sample("c", "two"), Sample("d", None)]
    measures = {"a": Measures(5, 0.25, 30, 60), "c": Measures(0, 0.0, 80, 20), "d": Measures(7, 0.5, 10, 10)}
    found = {name: values.tolist() for name, values in quantities(samples, measures).items()}
    assert found == {
        COMPONENTS: [5, 0, 7],
        INK_SHARE: [0.25, 0, 0.5],
        WIDTH: [30, 80, 10],
        HEIGHT: [60, 20, 10],
        ASPECT: [0.5, 4, 1],
        PER_PATENT: [2, 1],
    }
    empty = quantities(samples[1:2], measures)
    assert [len(empty[name]) for name in QUANTITIES] == [0, 0, 0, 0, 0, 1]


def test_summary_against_sorted_values():
    for number in [1, 2, 20, 101]:
        values = np.random.default_rng(number).gamma(1.0, 100.0, number)
        ordered = sorted(values.tolist())

        def percentile(share):
            place = share * (number - 1)
            below = int(place)
            above = min(below + 1, number - 1)
            return ordered[below] + (place - below) * (ordered[above] - ordered[below])

        expected = [percentile(0.5), percentile(0.05), percentile(0.95), ordered[0], ordered[-1], sum(ordered) / number]
        np.testing.assert_allclose(summarise(values), expected, err_msg=f"{number=}")


def test_groups_hold_every_drawing_once():
    train, query, gallery = ([Sample(f"{part}{number}", part) for number in range(2)] for part in ("t", "q", "g"))
    patent = Splits("Patent", train, query + query[:1], gallery, stage="val")
    test = Splits("Test", [], gallery, query, stage="test")
    groups = grouped_samples([(patent, ["train", "query", "gallery"]), (test, ["query", "gallery"])])
    assert {name: sorted(sample.path for sample in samples) for name, samples in groups.items()} == {
        "Patent train": ["t0", "t1"],
        "Patent val": ["g0", "g1", "q0", "q1"],
        "Test test": ["g0", "g1", "q0", "q1"],
        "all": ["g0", "g1", "q0", "q1", "t0", "t1"],
    }
    assert list(grouped_samples([(test, ["query"])])) == ["Test test"]
    assert grouped_samples([(patent, []), (test, ["train"])]) == {}


def test_a_sheet_of_grey_levels_in_16_bits(tmp_path):
    Image.fromarray(np.array([[0, 30000, 36000, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert measure_drawings([str(tmp_path / "deep.png")])[0] == {str(tmp_path / "deep.png"): Measures(1, 0.5, 4, 1)}
