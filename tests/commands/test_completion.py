"""The completion scripts, run by the shells that are here."""

import re
import shutil
import subprocess

import pytest

from fastpatent.commands import JOBS, main
from fastpatent.commands.completion import OPTIONS
from fastpatent.commands.data import ACTIONS
from fastpatent.commands.index import ACTIONS as INDEX_ACTIONS
from fastpatent.config.keys import KEYS


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(script, *words):
    """What bash offers after some words."""
    quoted = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _fastpatent; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", script + asked], capture_output=True, text=True, check=True).stdout.split()


def test_bash_offers_jobs_actions_options_keys_and_files(capsys, tmp_path, monkeypatch):
    bash = script("bash", capsys)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yml").write_text("")
    for words, expected in (
        (("fastpatent", "tr"), ["train"]),
        (("fastpatent", ""), list(JOBS)),
        (("fastpatent", "data", ""), list(ACTIONS)),
        (("fastpatent", "index", ""), list(INDEX_ACTIONS)),
        (("fastpatent", "train", "--res"), ["--resume"]),
        (("fastpatent", "train", "--config-file", "mi"), ["mine.yml"]),
        (("fastpatent", "train", "--config-file", "own_d"), ["own_drawings"]),
        (("fastpatent", "train", "--config-file", "sample/o"), ["sample/own_drawings"]),
        (("fastpatent", "train", "SOLVER.BASE"), ["SOLVER.BASE_LR"]),
        (("fastpatent", "test", "OUTPUT_DIR", "x", "TEST.AQE."), [key for key in KEYS if key.startswith("TEST.AQE.")]),
        (("fastpatent", "test", "MODEL.WEIGHTS", "mi"), ["mine.yml"]),
    ):
        assert sorted(completed(bash, *words)) == sorted(expected), words


def test_the_options_are_those_of_the_jobs(capsys):
    for job, options in OPTIONS.items():
        with pytest.raises(SystemExit):
            main([job, "--help"])
        listed = re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
        assert {*listed} - {"--help"} == {*options.split()}, job
    assert set(JOBS) - set(OPTIONS) == {"data", "index", "completion", "help"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(shell, capsys, tmp_path):
    text = script(shell, capsys)
    assert all(word in text for word in (*JOBS, *ACTIONS, "SOLVER.BASE_LR"))
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(text)
    assert subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True).returncode == 0
