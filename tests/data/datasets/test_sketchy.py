"""Sketchy's folders, split by photograph."""

import os

import pytest

from fastpatent.commands import main
from fastpatent.data.datasets import DATASETS
from fastpatent.data.image import read_drawing
from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.data.records import DRAWING, PHOTO, unmatched_queries
from fastpatent.errors import ConfigError, DataError

CATEGORIES = {"airplane": 20, "car_(sedan)": 12, "zebra": 2, "ant": 1}
NAMES = ("Sketchy", "SketchyInstances", "SketchySketches", "SketchyPhotos")
SKETCHES = 3  # of each photograph


def names(category):
    return [f"n0{len(category)}_{number}" for number in range(CATEGORIES[category])]


@pytest.fixture
def write_root(tmp_path, write_drawing, cfg):
    """Function (place) that writes four categories of 1 to 20 photographs, other renderings and files of other types."""

    def write(place):
        root, number = tmp_path / place.replace("/", "-"), 0
        base = root / place
        for category in CATEGORIES:
            for name in names(category):
                write_drawing(base / "photo/tx_000000000000" / category / f"{name}.jpg", number)
                for sketch in range(1, SKETCHES + 1):
                    number += 1
                    write_drawing(base / "sketch/tx_000000000000" / category / f"{name}-{sketch}.png", number)
        write_drawing(base / "sketch/tx_000100000000/ant/n03_9-1.png", 0)
        write_drawing(base / "photo/tx_000000000000/stray.jpg", 0)
        (base / "sketch/tx_000000000000/ant/invalid.txt").write_text("n03_0-1\n")
        cfg.DATASETS.ROOT = str(root)
        return root

    return write


@pytest.fixture
def root(write_root):
    """Such a folder, in the layout of the archive."""
    return write_root("256x256")


def parts_of(path):
    """(folder, category, photograph) of a path, read from its end."""
    *_, folder, _, category, file = path.split("/")
    stem = file.split(".")[0]
    return folder, category, stem.split("-")[0] if folder == "sketch" else stem


@pytest.mark.parametrize("place", [".", "256x256", "rendered_256x256/256x256"])
def test_each_photograph_and_its_sketches_are_on_one_side(place, write_root, cfg):
    write_root(place)
    splits = DATASETS.get("Sketchy")(cfg)
    assert splits.name == "Sketchy" and splits.stage == "test"
    sides = [{parts_of(sample.path)[1:] for sample in side} for side in (splits.train, splits.query + splits.gallery)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {(category, name) for category in CATEGORIES for name in names(category)}
    held_out = {category: sum(side[0] == category for side in sides[1]) for category in CATEGORIES}
    assert held_out == {"airplane": 2, "car_(sedan)": 1, "zebra": 1, "ant": 0}
    for side, folders in ((splits.query, {"sketch"}), (splits.gallery, {"photo"}), (splits.train, {"sketch", "photo"})):
        assert {parts_of(sample.path)[0] for sample in side} == folders
    every = splits.train + splits.query + splits.gallery
    assert len(every) == len({sample.path for sample in every}) == 35 * (1 + SKETCHES)
    for sample in every:
        folder, category, _ = parts_of(sample.path)
        assert sample.identity == category and sample.domain == (PHOTO if folder == "photo" else DRAWING)
        assert os.path.isabs(sample.path) and read_drawing(sample.path).shape == (40, 30)


def test_four_data_sets_have_one_split(root, cfg):
    by_category, by_photograph, sketches, photographs = (DATASETS.get(name)(cfg) for name in NAMES)
    for part in ("train", "query", "gallery"):
        one, other = getattr(by_category, part), getattr(by_photograph, part)
        assert [sample.path for sample in one] == [sample.path for sample in other]
        assert all(sample.identity == "/".join(parts_of(sample.path)[1:]) for sample in other)
    assert sketches.train == [sample for sample in by_category.train if sample.domain == DRAWING]
    assert photographs.train == [sample for sample in by_category.train if sample.domain == PHOTO]
    assert sketches.train and photographs.train and not sketches.query + photographs.gallery
    assert not unmatched_queries(by_photograph.query, by_photograph.gallery)


def test_another_photograph_moves_at_most_one_across_the_split(root, cfg, write_drawing):
    before = DATASETS.get("SketchyInstances")(cfg)
    folder = os.path.dirname(before.gallery[0].path)
    write_drawing(root / folder / "n99_7.jpg", 5)
    after = DATASETS.get("SketchyInstances")(cfg)
    moved = {sample.identity for sample in before.gallery} ^ {sample.identity for sample in after.gallery}
    assert len(moved) <= 2


@pytest.mark.parametrize("place", ["info", "info-06-04/info"])
def test_the_lists_of_the_archive_decide_the_split(root, cfg, write_list, place):
    write_list(root / place / "testset.txt", ["airplane/n08_3.jpg", "ant/n03_0.jpg", "ant/n03_77.jpg"])
    write_list(root / place / "invalid-pose.txt", ["n08_3-2", "n08_4-1"])
    write_list(root / place / "invalid-error.txt", ["n05_0-3"])
    splits = DATASETS.get("SketchyInstances")(cfg)
    assert sorted(sample.identity for sample in splits.gallery) == ["airplane/n08_3", "ant/n03_0"]
    assert [os.path.basename(sample.path) for sample in splits.query if "airplane" in sample.path] == [
        "n08_3-1.png",
        "n08_3-3.png",
    ]
    every = {os.path.basename(sample.path) for sample in splits.train + splits.query}
    assert not every & {"n08_3-2.png", "n08_4-1.png", "n05_0-3.png"} and len(every) == 35 * (1 + SKETCHES) - 2 - 3


def test_through_the_configuration(root, cfg):
    cfg.DATASETS.NAMES = ("SketchySketches",)
    assert {sample.domain for sample in load_training_set(cfg)} == {DRAWING}
    assert len(load_test_set(cfg, "SketchyInstances").query) == 4 * SKETCHES
    with pytest.raises(ConfigError, match="DATASETS: SketchyPhotos has no query drawings"):
        load_test_set(cfg, "SketchyPhotos")


def test_what_is_skipped_is_named(root, cfg):
    base = root / "256x256"
    assert DATASETS.get("Sketchy")(cfg).skipped == {
        "no image by its name (.txt)": [str(base / "sketch/tx_000000000000/ant/invalid.txt")],
        "image outside of every design's folder": [str(base / "photo/tx_000000000000/stray.jpg")],
    }


def test_check_finds_no_fault(root, capsys):
    words = [
        "DATASETS.ROOT",
        str(root),
        "DATASETS.NAMES",
        "('Sketchy',)",
        "DATASETS.TESTS",
        "('Sketchy','SketchyInstances')",
    ]
    assert main(["data", "check", *words, "DATALOADER.NUM_WORKERS", "0"]) == 0
    assert "SketchyInstances: query 12 images of 4 identities" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_missing_folders_are_named(tmp_path, write_drawing, cfg, name):
    cfg.DATASETS.ROOT = str(tmp_path)
    with pytest.raises(DataError, match=rf"{name}: there is no folder {tmp_path}/sketch/tx_000000000000 or .*rendered"):
        DATASETS.get(name)(cfg)
    write_drawing(tmp_path / "256x256/sketch/tx_000000000000/ant/n03_0-1.png", 0)
    with pytest.raises(DataError, match=rf"no folder {tmp_path}/photo/tx_000000000000 or "):
        DATASETS.get(name)(cfg)
