"""`fastpatent data check` from the command line's words to its exit status."""

import re

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands.check import check
from fastpatent.data import deeppatent_reference
from fastpatent.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    """Six designs of three different drawings."""
    generator = np.random.default_rng(0)
    for design in range(6):
        (tmp_path / f"design{design}").mkdir()
        for view in range(3):
            pixels = np.where(generator.random((9, 11)) < 0.2, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"design{design}/[view]{view}.png")
    return tmp_path


def words(root, *more):
    sets = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)"]
    return ["DATASETS.ROOT", str(root), *sets, "DATALOADER.NUM_WORKERS", "0", *more]


def test_a_clean_folder(folder, capsys):
    assert check(words(folder)) == 0
    printed = capsys.readouterr().out
    assert "Drawings: train 15 images of 5 identities, query 1 images of 1 identities" in printed
    assert "nothing here would break a run" in printed and "breaks a run" not in printed


def test_what_breaks_a_run_is_named_and_ends_with_status_1(folder, capsys):
    (folder / "design2/[view]1.png").write_bytes(b"")
    assert check(words(folder)) == 0  # training passes over one
    assert "unreadable drawing" in capsys.readouterr().out
    assert check(words(folder, "DATALOADER.MAX_BROKEN", "0")) == 1
    printed = capsys.readouterr().out
    assert "breaks a run" in printed and str(folder) not in printed.split("looked for")[1]
    assert "\nunreadable drawing: design2/[view]1.png: cannot be read as a drawing: the file is empty\n" in printed


def test_what_train_would_refuse_is_known_before(folder, capsys):
    naive = ["DATALOADER.SAMPLER_TRAIN", "NaiveIdentitySampler"]
    for settings, sentence in (
        ([*naive, "SOLVER.IMS_PER_BATCH", "64"], "takes 16 identities a batch, the training set has 5"),
        ([*naive, "SOLVER.IMS_PER_BATCH", "6"], "SOLVER.IMS_PER_BATCH: 6 is not a multiple of DATALOADER.NUM_INSTANCE 4"),
        (["SOLVER.IMS_PER_BATCH", "1"], "one image a part of the batch"),
        (["SOLVER.IMS_PER_BATCH", "8", "SOLVER.GRAD_ACCUM_STEPS", "8"], "one image a part of the batch"),
        (["SOLVER.IMS_PER_BATCH", "8", "SOLVER.GRAD_ACCUM_STEPS", "3"], "8 images a process do not divide into 3"),
    ):
        assert check(words(folder, *settings)) == 1
        assert "\nrefused by train: SOLVER." in (printed := capsys.readouterr().out) and sentence in printed
    assert check(words(folder, "SOLVER.IMS_PER_BATCH", "8")) == 0
    assert "test set whose figures say little: Drawings: only one query is measured" in capsys.readouterr().out


def test_warnings_do_not_fail_and_long_lists_are_cut(folder, capsys):
    for design in range(6):
        for view in (1, 2):
            (folder / f"design{design}/[view]{view}.png").unlink()
    (folder / "design0/again.png").write_bytes((folder / "design0/[view]0.png").read_bytes())
    assert check(words(folder)) == 0
    printed = capsys.readouterr().out
    assert "warning" in printed and "\ntraining identity with one drawing: and 2 more\n" in printed


def test_what_is_no_drawing_is_named_with_its_number(folder, capsys):
    for name in ("loose.png", "design0/a.pdf", "design0/b.pdf", "design1/@eaDir/x.png", ".git/x.png", "run/log.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "run/gallery_Drawings.png").write_bytes(b"")
    assert check(words(folder)) == 0
    printed = capsys.readouterr().out
    assert "train 15 images of 5 identities" in printed
    for kind, count, case in (
        ("no image by its name (.pdf)", 2, "design0/a.pdf"),
        ("file or folder of the system", 1, "design1/@eaDir"),
        ("hidden file or folder", 1, ".git"),
        ("output of a run", 2, "run/gallery_Drawings.png"),
        ("image outside of every design's folder", 1, "loose.png"),
    ):
        assert re.search(rf"^ *{re.escape(kind)} .* {count} .*warning *$", printed, re.MULTILINE), kind
        assert f"\n{kind}: {case}\n" in printed


def test_a_set_used_for_tests_needs_no_training_list(folder, capsys):
    lists = folder / "data"
    lists.mkdir()
    (lists / "test_query_patent.txt").write_text("design0/[view]0.png 1\n")
    (lists / "test_db_patent.txt").write_text("design0/[view]1.png 1\ndesign1/gone.png 2\n")
    assert check(words(folder, "DATASETS.TESTS", "('DeepPatentTest',)")) == 1
    assert "design1/gone.png" in capsys.readouterr().out


def test_what_cannot_be_checked(tmp_path):
    with pytest.raises(ConfigError, match="no dataset is called 'Nothing'"):
        check(words(tmp_path, "DATASETS.NAMES", "('Nothing',)"))
    with pytest.raises(DataError, match="absent"):
        check(words(tmp_path / "absent"))


def test_lists_are_compared_with_what_is_published(tmp_path, capsys, monkeypatch):
    patent = "I20180102/USD0806350-20180102/USD0806350-20180102"
    (tmp_path / "test_query_patent.txt").write_text(f"{patent}-D00001.png 1\n")
    (tmp_path / "test_db_patent.txt").write_text(f"{patent}-D00002.png 1\n{patent}-D00003.png 1\n")
    monkeypatch.setattr(deeppatent_reference, "RELEVANT", (2, 2, 2.0))
    for counted, sentence in ((2, "as published"), (3, "not as published: gallery 2 drawings of 1 patents")):
        monkeypatch.setitem(deeppatent_reference.COUNTS, "DeepPatentTest", {"query": (1, 1), "gallery": (counted, 1)})
        # status 1, as no drawing is there
        assert check(words(tmp_path, "DATASETS.NAMES", "()", "DATASETS.TESTS", "('DeepPatentTest',)")) == 1
        assert f"\nDeepPatentTest: {sentence}" in capsys.readouterr().out
