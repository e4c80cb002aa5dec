"""The `fastpatent` command, `python -m fastpatent.commands` and the scripts under tools/ are the same commands."""

import runpy
import subprocess
import sys

import pytest

import fastpatent
from fastpatent.commands import JOBS, main

SCRIPTS = {"train_net.py": "train", "test.py": "test", "extract_features.py": "extract"}


def help_of(capsys, call, *arguments):
    with pytest.raises(SystemExit) as caught:
        call(*arguments)
    assert caught.value.code in (0, None)
    return capsys.readouterr().out


def test_scripts_and_the_module_are_the_commands(repository, monkeypatch, capsys):
    assert sorted(path.name for path in (repository / "tools").glob("*.py")) == sorted(SCRIPTS)
    for script, job in SCRIPTS.items():
        expected = help_of(capsys, main, [job, "--help"])
        assert f"usage: fastpatent {job}" in expected
        monkeypatch.setattr(sys, "argv", [script, "--help"])
        assert help_of(capsys, runpy.run_path, str(repository / "tools" / script), None, "__main__") == expected
        monkeypatch.setattr(sys, "argv", ["fastpatent", job, "--help"])
        assert help_of(capsys, runpy.run_module, "fastpatent.commands", None, "__main__") == expected


@pytest.mark.slow
def test_a_script_runs_from_another_folder(repository, tmp_path):
    command = [sys.executable, str(repository / "tools/test.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert shown.returncode == 0 and "usage: fastpatent test" in shown.stdout


def test_jobs_are_listed_and_an_unknown_one_is_an_error(capsys):
    assert main(["--help"]) == 0 and main([]) == 2
    printed = capsys.readouterr().out
    assert all(printed.count(f"\n  {job} ") == 2 for job in JOBS)
    for words, sentence in (
        (["trian"], "fastpatent has no job 'trian'; did you mean train?"),
        (["data", "chek"], "fastpatent data has no action 'chek'; did you mean check?"),
        (["help", "dta"], "fastpatent has no job 'dta'; did you mean data?"),
    ):
        assert main(words) == 2
        assert capsys.readouterr().err == f"error: {sentence}\n"


def test_help_and_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastpatent {fastpatent.__version__}\n"
    assert main(["help"]) == 0
    assert "usage: fastpatent JOB" in capsys.readouterr().out
    assert help_of(capsys, main, ["help", "train"]) == help_of(capsys, main, ["train", "--help"])


INTERRUPTED = """
import os, signal, sys

class Interrupting:  # a finder of modules that finds none
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, and by its children
sys.meta_path.insert(0, Interrupting())
from fastpatent.commands import main
sys.exit(main(["train"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["numpy.exceptions", "torch.nn.modules", "fastpatent.engine.trainer"])
def test_ctrl_c_while_it_is_imported_is_one_word(repository, module):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, module], capture_output=True, text=True, cwd=repository)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
