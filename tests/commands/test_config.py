"""`fastpatent config`: output that is itself a configuration, keys explained, errors on stderr."""

import pytest

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.by_name import names
from fastpatent.config.keys import KEYS
from fastpatent.config.report import explain, keys_table

CHALLENGE = "configs/patent/sbs_R101-ibn_patent_test.yml"


def test_output_is_a_file_that_loads_to_the_same(repository, tmp_path, capsys):
    assert main(["config", "--config-file", str(repository / CHALLENGE), "MODEL.DEVICE", "cpu"]) == 0
    path = tmp_path / "merged.yml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_config(path) == load_config(repository / CHALLENGE, ["MODEL.DEVICE", "cpu"])


def test_differences_follow_as_comments(capsys):
    assert main(["config", "SEED", "3"]) == 0
    comments = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("#")]
    assert comments[0] == ["#", "key", "value", "default"] and comments[2:] == [["#", "SEED", "3", "0"]]


def test_keys_are_explained(capsys):
    for name in ("SOLVER.BASE_LR", "TEST.AQE"):
        assert main(["config", "--explain", name]) == 0
        assert capsys.readouterr().out == explain(name) + "\n"
    assert main(["config", "--explain", "SOLVER.BASE_L"]) == 1
    assert capsys.readouterr() == ("", "error: SOLVER.BASE_L is no key; did you mean SOLVER.BASE_LR?\n")


def test_the_configurations_are_listed(capsys):
    assert main(["config", "--list"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert set(lines) == set(names()) and lines["sample/own_drawings"].startswith("Your own folder <design>/<drawing>: ")


def test_the_table_of_all_keys_is_in_the_documentation(repository, capsys):
    assert main(["config", "--table"]) == 0
    printed = capsys.readouterr().out
    assert keys_table() in printed and printed.count("\n| `") == len(KEYS)
    assert printed == (repository / "docs/configuration.md").read_text(encoding="utf-8"), "run `make docs`"


def test_errors_are_one_a_line(capsys):
    assert main(["config", "--config-file", "nowhere.yml", "SEDE", "3"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: nowhere.yml: no such file",
        "error: command line: SEDE is no key; did you mean SEED?",
    ]


def test_an_option_after_the_pairs_is_reported(capsys):
    assert main(["config", "SEED", "3", "--config-file", "x.yml"]) == 1
    assert capsys.readouterr().err == "error: command line: --config-file is no key; options go before the KEY VALUE pairs\n"


def test_unknown_option_ends_with_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["config", "--confg-fil", "x.yml", "SEED", "3"])
    assert caught.value.code == 2 and "usage: fastpatent config" in capsys.readouterr().err
