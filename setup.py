"""Build of the compiled rank kernel, and configs/ in wheels; everything else about the package is in pyproject.toml."""

import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

OPTIMISE = ["/O2"] if sys.platform == "win32" else ["-O3"]

extensions = cythonize(
    [Extension("fastpatent.retrieval._rank", ["fastpatent/retrieval/_rank.pyx"], extra_compile_args=OPTIMISE)]
)
for extension in extensions:
    # Without a compiler the package installs all the same and counts ranks by NumPy, with the same numbers. Said here and
    # not above because cythonize does not pass it on.
    extension.optional = True


class BuildWithConfigs(build_py):
    """Copy configs/ into the package of a wheel; an editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("configs", Path(self.build_lib, "fastpatent", "configs"), dirs_exist_ok=True)


setup(ext_modules=extensions, cmdclass={"build_py": BuildWithConfigs})
