"""What works without the extras, and how a command names the extra that it misses."""

import pytest

from fastpatent.errors import EXTRAS
from tests.forked import run_python

pytestmark = pytest.mark.slow

WITHOUT = """
import runpy, sys

assert "fastpatent" not in sys.modules  # else it would have been imported with them
missing = {missing}
there = [name for name in sys.modules if name.partition(".")[0] in missing]
sys.modules.update(dict.fromkeys([*missing, *there]))  # None there is an import that fails
if sys.argv[1].endswith(".py"):
    sys.argv.pop(0)
    runpy.run_path(sys.argv[0], run_name="__main__")
from fastpatent.commands import main

sys.exit(main(sys.argv[1:]))
"""


def run_without(missing, *words, cwd):
    return run_python(cwd, "-c", WITHOUT.format(missing=sorted(missing)), *words)


def test_training_testing_and_configuration_need_no_extra(tmp_path, repository):
    """Run as far as the first file that is not there: everything that these commands import has been imported then."""
    for script in ("train_net", "test"):
        words = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.ROOT", "nowhere"]
        words = [repository / "tools" / f"{script}.py", *words, "MODEL.DEVICE", "cpu"]
        done = run_without({*EXTRAS, "faiss", "termcolor"}, *words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, "error: nowhere: there is no such folder of drawings\n")
    assert run_without(EXTRAS, "config", "TEST.METRIC", "euclidean", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "missing, words",
    [
        ("matplotlib", ["benchmark", "BENCHMARK.SYSTEMS", "['x.yml']"]),
        ("cv2", ["data", "stats"]),
        ("optuna", ["sweep", "--config-file", "default", "--space", "sweeps/ranking"]),
        ("fastapi", ["serve", "x"]),
        ("defusedxml", ["data", "build", "x.tar", "--out", "x"]),
    ],
)
def test_a_missing_extra_is_named(tmp_path, missing, words):
    done = run_without({missing}, *words, cwd=tmp_path)
    expected = f"error: this needs the package {missing}: pip install 'fastpatent[{EXTRAS[missing]}]'\n"
    assert (done.returncode, done.stderr) == (1, expected)
