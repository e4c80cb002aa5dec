"""A user's folder of images, split by identity."""

import os
from contextlib import nullcontext

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.drawings import split_folder
from fastpatent.errors import DataError


def touch(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


@pytest.fixture
def folder(tmp_path):
    """20 identities of 1 to 6 drawings; two have the same name in different parent folders."""
    names = []
    for number in range(20):
        identity = ("a/same", "b/same")[number] if number < 2 else f"design {number}"
        names += [f"{identity}/view{view}.{('png', 'TIF', 'jpeg')[view % 3]}" for view in range(number % 6 + 1)]
    touch(tmp_path, names)
    return tmp_path


def test_every_drawing_is_in_one_part_under_its_folder(folder):
    splits = split_folder(folder, 0.2, 0)
    every = splits.train + splits.query + splits.gallery
    assert sorted(sample.path for sample in every) == sorted(
        os.path.join(here, name) for here, _, names in os.walk(folder) for name in names
    )
    assert all(sample.identity == os.path.relpath(os.path.dirname(sample.path), folder) for sample in every)
    assert {"a/same", "b/same"} <= {sample.identity for sample in every}


def test_split_is_by_identity_and_queries_are_findable(folder):
    for fraction in [0.05, 0.2, 0.5]:
        for seed in [0, 1, 2]:
            splits = split_folder(folder, fraction, seed)
            train = {sample.identity for sample in splits.train}
            validation = {sample.identity for sample in splits.query + splits.gallery}
            assert not train & validation and len(validation) == round(20 * fraction), f"{fraction=}, {seed=}"
            drawings = {identity: 0 for identity in validation}
            queries = dict(drawings)
            for sample in splits.query:
                queries[sample.identity] += 1
            for sample in splits.query + splits.gallery:
                drawings[sample.identity] += 1
            for identity, count in drawings.items():
                assert queries[identity] == (0 if count < 2 else 1 if count < 4 else 2), f"{fraction=}, {seed=}"
            assert splits.query, f"{fraction=}, {seed=}"


def test_seed_decides_and_file_order_does_not(folder, tmp_path_factory, monkeypatch):
    first = split_folder(folder, 0.3, 0)
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: nullcontext(list(scandir(folder))[::-1]))
    assert split_folder(folder, 0.3, 0) == first
    copy = tmp_path_factory.mktemp("copy")
    every = [os.path.relpath(sample.path, folder) for sample in first.train + first.query + first.gallery]
    touch(copy, sorted(every, reverse=True))
    again = split_folder(copy, 0.3, 0)
    for part in ("train", "query", "gallery"):
        assert [os.path.relpath(sample.path, copy) for sample in getattr(again, part)] == [
            os.path.relpath(sample.path, folder) for sample in getattr(first, part)
        ]
    others = [split_folder(folder, 0.3, seed) for seed in range(1, 5)]
    assert len({tuple(splits.query) for splits in [first, *others]}) == 5


def test_a_new_design_moves_no_other_across_the_split(folder):
    """With an unchanged number of validation identities, the new one replaces at most one."""
    before = split_folder(folder, 0.2, 0)
    touch(folder, ["one more/view0.png", "one more/view1.png"])
    after = split_folder(folder, 0.2, 0)
    moved = {sample.identity for sample in before.train} ^ {sample.identity for sample in after.train}
    assert moved - {"one more"} == set() or len(moved - {"one more"}) == 1


def test_two_identities_give_one_on_each_side(tmp_path):
    touch(tmp_path, ["a/0.png", "b/0.png", "b/1.png"])
    splits = split_folder(tmp_path, 0.01, 0)
    assert [sample.identity for sample in splits.train] == ["a"]  # only b can be asked and found
    assert [sample.identity for sample in splits.query + splits.gallery] == ["b", "b"]
    assert len(split_folder(tmp_path, 0.99, 0).train) == 1


def test_other_files_are_skipped_and_named(tmp_path):
    touch(tmp_path, ["a/0.png", "a/a.XML", "a/.x.png", ".git/x.png", "b/0.BMP", "overview.png", "README.md"])
    splits = split_folder(tmp_path, 0.5, 0)
    assert sorted(sample.path for sample in splits.train + splits.query + splits.gallery) == [
        str(tmp_path / "a/0.png"),
        str(tmp_path / "b/0.BMP"),
    ]
    assert splits.skipped == {
        kind: [str(tmp_path / name) for name in names]
        for kind, names in {
            "hidden file or folder": [".git", "a/.x.png"],
            "no image by its name (.md)": ["README.md"],
            "no image by its name (.xml)": ["a/a.XML"],
            "image outside of every design's folder": ["overview.png"],
        }.items()
    }


def test_what_the_run_writes_below_the_root_is_no_design(tmp_path, cfg):
    touch(tmp_path, ["a/0.png", "b/0.png", "b/1.png", "logs/run/x.png", "packs/x.png"])
    cfg.DATASETS.ROOT, cfg.OUTPUT_DIR = str(tmp_path), str(tmp_path / "logs/run")
    splits = DATASETS.get("Drawings")(cfg)
    assert {sample.identity for sample in splits.train + splits.query + splits.gallery} == {"a", "b"}
    assert splits.skipped == {"output of a run": [str(tmp_path / "logs/run"), str(tmp_path / "packs")]}


def test_too_few_identities_are_refused(tmp_path):
    for names, found in [([], 0), (["a/0.png", "a/1.png"], 1), (["0.png", "1.png"], 0)]:
        folder = tmp_path / str(len(names)) / str(found)
        touch(folder, names)
        folder.mkdir(parents=True, exist_ok=True)
        with pytest.raises(DataError, match=f"{found} folders with drawings; Drawings needs at least two"):
            split_folder(folder, 0.2, 0)
    touch(folder, ["a/0.pdf"])
    words = r"; skipped: 1 x no image by its name \(.pdf\), 2 x image outside of every design's folder$"
    with pytest.raises(DataError, match=words):
        split_folder(folder, 0.2, 0)


def test_from_the_config_on_real_sheets(shared, cfg):
    cfg.DATASETS.ROOT = str(shared / "impact/patents")
    cfg.DATASETS.DRAWINGS.VAL_FRACTION = 0.4
    splits = DATASETS.get("Drawings")(cfg)
    every = splits.train + splits.query + splits.gallery
    assert len(every) == len(list((shared / "impact/patents").glob("*/*.TIF")))
    assert len({sample.identity for sample in splits.train}) == 30
    assert len({sample.identity for sample in splits.gallery}) == 20
