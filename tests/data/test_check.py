"""Every fault that the check detects, inserted into a clean data set."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from fastpatent.data.check import check_dataset
from fastpatent.data.datasets import DATASETS
from fastpatent.data.records import DRAWING, PARTS, PHOTO, Sample, Splits

PATENTS = "train_data/patent_data"


def drawing(root, identity, view):
    """Path of one of `patent_root`'s drawings."""
    name = f"USD{identity:07d}-2018{identity:04d}"
    return root / PATENTS / f"I2018{identity:04d}" / name / f"{name}-D{view:05d}.png"


@pytest.fixture
def found(patent_cfg):
    """Function () -> ({finding: cases}, Report) over Patent and DeepPatentTest."""

    def check(workers=0):
        sets = [(DATASETS.get("Patent")(patent_cfg, verify=False), PARTS)]
        sets.append((DATASETS.get("DeepPatentTest")(patent_cfg, verify=False), ("query", "gallery")))
        report = check_dataset(sets, workers)
        return {finding.name: finding.cases for finding in report.findings if finding.cases}, report

    return check


def test_a_clean_set(found):
    cases, report = found()
    assert cases == {} and not report.breaks and report.drawings == 48


def test_missing_drawings_are_collected(found, patent_root):
    gone = [drawing(patent_root, identity, 0) for identity in (0, 3, 7, 10)]
    for path in gone:
        path.unlink()
    cases, report = found()
    assert cases == {"missing drawing": sorted(map(str, gone))} and report.breaks


def test_unreadable_drawings(found, patent_root):
    drawing(patent_root, 0, 0).write_bytes(b"")
    drawing(patent_root, 1, 0).write_bytes(drawing(patent_root, 1, 0).read_bytes()[:60])
    cases, report = found()
    assert list(cases) == ["unreadable drawing"] and report.breaks
    for number, case in enumerate(cases["unreadable drawing"]):
        assert case.startswith(f"{drawing(patent_root, number, 0)}: cannot be read as a drawing: ")


def test_query_without_a_match(found, patent_root):
    path = patent_root / "train_data/val_db_patent.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "USD0000007" not in line))
    cases, report = found()
    assert cases == {"query without a match": [f"Patent: {drawing(patent_root, 7, 1)}"]} and not report.breaks


def test_empty_lists(found, patent_root):
    (patent_root / "train_data/train_patent_trn.txt").write_text("\n")
    cases, report = found()
    assert cases == {"empty list": ["Patent: no train drawing"]} and report.breaks


def test_duplicates_by_bytes_and_by_pixels(found, patent_root):
    shutil.copy(drawing(patent_root, 0, 0), drawing(patent_root, 1, 0))
    pixels = Image.open(drawing(patent_root, 2, 0))
    pixels.convert("RGB").save(drawing(patent_root, 3, 0))
    cases, report = found()
    assert cases == {
        "duplicate drawing, same bytes": [f"{drawing(patent_root, 1, 0)} = {drawing(patent_root, 0, 0)}"],
        "duplicate drawing, same pixels": [f"{drawing(patent_root, 3, 0)} = {drawing(patent_root, 2, 0)}"],
    }
    assert not report.breaks


def test_same_samples_in_another_shape_are_no_duplicate(found, patent_root):
    samples = (255 - np.arange(400) // 4).astype(np.uint8)
    for view, shape in enumerate(((10, 40), (40, 10))):
        Image.fromarray(samples.reshape(shape)).save(drawing(patent_root, 0, view))
    assert found()[0] == {}


def test_drawings_that_look_wrong_are_warnings(found, patent_root):
    paths = [drawing(patent_root, identity, 0) for identity in range(4)]
    sheet = Image.open(paths[0])
    ImageOps.invert(sheet).save(paths[0])
    Image.new("L", (40, 30), 250).save(paths[1])
    sheet.resize((90, 4), Image.Resampling.NEAREST).save(paths[2])
    sheet.save(paths[3], "TIFF", save_all=True, append_images=[sheet, sheet])
    cases, report = found()
    assert cases == {
        "inverted drawing, white on black": [str(paths[0])],
        "blank drawing": [str(paths[1])],
        "extreme aspect ratio": [f"{paths[2]} (90 x 4 pixels)"],
        "more pages or frames than the first": [f"{paths[3]} (3 in all)"],
    }
    assert not report.breaks


def test_a_dark_photograph_is_not_inverted(patent_root):
    path = drawing(patent_root, 0, 0)
    ImageOps.invert(Image.open(path)).save(path)
    for domain, count in ((DRAWING, 1), (PHOTO, 0)):
        splits = Splits("Some", [Sample(str(path), "a", domain)], [], [])
        findings = {finding.name: finding.cases for finding in check_dataset([(splits, ("train",))]).findings}
        assert len(findings["inverted drawing, white on black"]) == count


@pytest.mark.parametrize("target, stage", [(7, "val"), (10, "test")])
def test_leaked_content(found, patent_root, target, stage):
    shutil.copy(drawing(patent_root, 4, 2), drawing(patent_root, target, 2))
    cases, report = found()
    leak = f"{drawing(patent_root, target, 2)} ({stage}) = {drawing(patent_root, 4, 2)} (train)"
    assert cases == {"leaked drawing": [leak]} and not report.breaks


def test_leaked_identity_and_file(found, patent_root):
    lists = patent_root / "train_data"
    line = (lists / "test_db_patent.txt").read_text().splitlines()[0]
    with open(lists / "train_patent_trn.txt", "a") as file:
        file.write(line + "\n")
    cases, report = found()
    assert cases == {
        "leaked drawing": [f"{drawing(patent_root, 9, 0)} in train and test"],
        "leaked identity": ["USD0000009-20180009 in train and test"],
        "training identity with one drawing": ["USD0000009-20180009"],
    }
    assert not report.breaks


def test_identity_with_one_drawing_and_a_line_twice(found, patent_root):
    path = patent_root / "train_data/train_patent_trn.txt"
    lines = [line for line in path.read_text().splitlines(True) if "USD0000005" not in line or "D00002" in line]
    path.write_text("".join(lines + lines[-1:]))
    cases, _ = found()
    assert cases == {
        "training identity with one drawing": ["USD0000005-20180005"],
        "drawing listed twice": [f"Patent: {drawing(patent_root, 5, 2)}, 2 times"],
    }


def test_many_equal_drawings_give_one_case_each(found, patent_root):
    data = drawing(patent_root, 0, 0).read_bytes()
    for identity in range(12):
        for view in range(4):
            drawing(patent_root, identity, view).write_bytes(data)
    cases, _ = found()
    assert len(cases["duplicate drawing, same bytes"]) == 23 + 11 + 11 and len(cases["leaked drawing"]) == 24


def test_workers_find_the_same_and_progress_is_reported(found, patent_cfg, patent_root):
    drawing(patent_root, 2, 2).unlink()
    shutil.copy(drawing(patent_root, 0, 0), drawing(patent_root, 1, 0))
    alone, _ = found()
    assert found(workers=2)[0] == alone
    calls = []
    check_dataset(
        [(DATASETS.get("DeepPatentTest")(patent_cfg), ("query", "gallery"))], 0, lambda *count: calls.append(count)
    )
    assert calls == [(number, 12) for number in range(1, 13)]


def test_faults_that_a_data_set_skipped_are_reported_once(patent_cfg):
    sets = [(DATASETS.get("Patent")(patent_cfg, verify=False), PARTS) for _ in range(2)]
    for splits, cases in zip((splits for splits, _ in sets), (["a.csv:2", "a.csv:5"], ["a.csv:5", "b.csv:2"])):
        splits.skipped = {"malformed row": cases, "missing sheet": []}
    findings = {finding.name: finding for finding in check_dataset(sets).findings}
    assert findings["malformed row"].cases == ["a.csv:2", "a.csv:5", "b.csv:2"] and not findings["malformed row"].breaks
    assert findings["missing sheet"].cases == []
