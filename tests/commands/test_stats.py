"""`fastpatent data stats` from its words to its files."""

import csv
import os
import re

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from scipy import ndimage

from fastpatent.commands.stats import stats
from fastpatent.errors import DataError


@pytest.fixture
def root(tmp_path):
    """Four designs of three random drawings of various sizes, one of them damaged."""
    generator = np.random.default_rng(0)
    for design in range(4):
        (tmp_path / f"in/design{design}").mkdir(parents=True)
        for view in range(3):
            pixels = np.where(generator.random((9 + view, 11 + design)) < 0.2, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"in/design{design}/[view]{view}.png")
    (tmp_path / "in/design2/[view]1.png").write_bytes(b"no drawing")
    return tmp_path / "in"


def words(root, *more):
    sets = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)"]
    return [*more, "DATASETS.ROOT", str(root), *sets, "DATALOADER.NUM_WORKERS", "0"]


def test_table_rows_and_pictures(root, tmp_path, capsys):
    out = tmp_path / "out"
    assert not stats(words(root, "--output", str(out)))
    printed = capsys.readouterr().out
    assert "unreadable drawing: design2/[view]1.png: cannot be read as a drawing" in printed
    assert "11 images measured, 1 could not be read" in printed
    assert re.search(r"published: DeepPatent +705\b", printed)
    assert printed.strip() == (out / "log.txt").read_text().strip()

    rows = {row["drawing"]: row for row in pyarrow.parquet.read_table(out / "drawings.parquet").to_pylist()}
    assert len(rows) == 11
    for relative, row in rows.items():
        pixels = np.asarray(Image.open(root / relative))
        assert row == {
            "drawing": relative,
            "identity": relative.split("/")[0],
            "components": ndimage.label(pixels < 128, np.ones((3, 3)))[1],
            "ink": pytest.approx((pixels < 128).mean()),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }

    with open(out / "statistics.csv", newline="") as file:
        summaries = {(row["group"], row["quantity"]): row for row in csv.DictReader(file)}
    components = summaries["all", "connected components"]
    assert float(components["median"]) == np.median([row["components"] for row in rows.values()])
    assert int(components["number"]) == 11
    assert float(summaries["all", "drawings a patent"]["mean"]) == 3
    assert Image.open(out / "statistics.png").size[0] == 1650


def test_output_dir_of_the_configuration(root, tmp_path, capsys):
    assert not stats(words(root) + ["OUTPUT_DIR", str(tmp_path / "run")])
    assert (tmp_path / "run/statistics.csv").is_file() and str(tmp_path / "run") in capsys.readouterr().out.replace("\n", "")


def test_no_drawing_at_all(root, tmp_path):
    for path in root.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no image of DATASETS.NAMES and DATASETS.TESTS can be read"):
        stats(words(root, "--output", str(tmp_path / "out")))
    assert not list((tmp_path / "out").glob("statistics*"))


def test_names_that_are_not_utf8_are_escaped(root, tmp_path):
    os.rename(root / "design0/[view]0.png", root / "design0" / os.fsdecode(b"\xff.png"))
    assert not stats(words(root, "--output", str(tmp_path)))
    drawings = pyarrow.parquet.read_table(tmp_path / "drawings.parquet")["drawing"].to_pylist()
    assert r"design0/\udcff.png" in drawings
