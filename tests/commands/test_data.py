"""`fastpatent data check` from the command line's words to its exit status."""

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands.data import main
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
    return [
        "check",
        "DATASETS.ROOT",
        str(root),
        "DATASETS.NAMES",
        "('Drawings',)",
        "DATASETS.TESTS",
        "('Drawings',)",
        "DATALOADER.NUM_WORKERS",
        "0",
        *more,
    ]


def test_a_clean_folder(folder, capsys):
    assert main(words(folder)) == 0
    printed = capsys.readouterr().out
    assert "Drawings: train 15 drawings of 5 identities, query 1 drawings of 1 identities" in printed
    assert "nothing here would break a run" in printed and "breaks a run" not in printed


def test_what_breaks_a_run_is_named_and_ends_with_one(folder, capsys):
    (folder / "design2/[view]1.png").write_bytes(b"")
    assert main(words(folder)) == 1
    printed = capsys.readouterr().out
    assert "breaks a run" in printed and str(folder) not in printed.split("looked for")[1]
    assert "\nunreadable drawing: design2/[view]1.png: cannot be read as a drawing: the file is empty\n" in printed


def test_warnings_do_not_fail_and_long_lists_are_cut(folder, capsys):
    for design in range(6):
        for view in (1, 2):
            (folder / f"design{design}/[view]{view}.png").unlink()
    (folder / "design0/again.png").write_bytes((folder / "design0/[view]0.png").read_bytes())
    assert main(words(folder)) == 0
    printed = capsys.readouterr().out
    assert "warning" in printed and "\ntraining identity with one drawing: and 2 more\n" in printed


def test_a_set_used_for_tests_needs_no_training_list(tmp_path, folder, capsys):
    lists = folder / "data"
    lists.mkdir()
    (lists / "test_query_patent.txt").write_text("design0/[view]0.png 1\n")
    (lists / "test_db_patent.txt").write_text("design0/[view]1.png 1\ndesign1/gone.png 2\n")
    assert main(words(folder, "DATASETS.TESTS", "('DeepPatentTest',)")) == 1
    assert "design1/gone.png" in capsys.readouterr().out


def test_other_words(capsys, tmp_path):
    assert main([]) == 2 and main(["chekc"]) == 2 and main(["--help"]) == 0
    assert "fastpatent data ACTION" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="no dataset is called"):
        main(words(tmp_path, "DATASETS.NAMES", "('Nothing',)"))
    with pytest.raises(DataError, match="absent"):
        main(words(tmp_path / "absent"))
