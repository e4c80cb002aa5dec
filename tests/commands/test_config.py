"""`fastpatent config`: output that is itself a configuration, errors on stderr."""

import pytest

from fastpatent.commands.config import main
from fastpatent.commands.run import run
from fastpatent.config import load_config

CHALLENGE = "configs/patent/sbs_R101-ibn_patent_test.yml"


def test_output_is_a_file_that_loads_to_the_same(repository, tmp_path, capsys):
    words = ["--config-file", str(repository / CHALLENGE), "MODEL.DEVICE", "cpu"]
    assert run(main, words) == 0
    printed = capsys.readouterr().out
    path = tmp_path / "merged.yml"
    path.write_text(printed, encoding="utf-8")
    assert load_config(path) == load_config(repository / CHALLENGE, ["MODEL.DEVICE", "cpu"])


def test_differences_follow_as_comments(capsys):
    assert main(["SEED", "3"]) == 0
    comments = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("#")]
    assert comments[0] == ["#", "key", "value", "default"] and comments[2:] == [["#", "SEED", "3", "0"]]


def test_errors_one_a_line(capsys):
    assert run(main, ["--config-file", "nowhere.yml", "SEDE", "3"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: nowhere.yml: no such file",
        "error: command line: SEDE is no key; did you mean SEED?",
    ]


def test_option_after_the_pairs_is_explained(capsys):
    assert run(main, ["SEED", "3", "--config-file", "x.yml"]) == 1
    assert capsys.readouterr().err == "error: command line: --config-file is no key; options go before the KEY VALUE pairs\n"


def test_unknown_option_ends_with_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--confg-fil", "x.yml", "SEED", "3"])
    assert caught.value.code == 2 and "usage: fastpatent config" in capsys.readouterr().err
