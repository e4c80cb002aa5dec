"""What an installed package brings beside its modules."""

import os
import subprocess
import sys

import pytest

PROGRAM = "from fastpatent.config import by_name, load_config; load_config('own_drawings'); print(by_name.FOLDER)"


def files_below(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_wheel_has_the_configurations_the_network_in_the_box_and_the_templates(repository, tmp_path):
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    elsewhere.mkdir()
    build = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path, "build_py", "--build-lib", library]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    package = library / "fastpatent"
    assert files_below(package / "configs") == files_below(repository / "configs")
    for folder in ("weights", "report/templates"):
        assert files_below(package / folder) == files_below(repository / "fastpatent" / folder)
    environment = os.environ | {"PYTHONPATH": str(library)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{package / 'configs'}\n", "")
