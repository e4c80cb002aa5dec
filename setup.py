"""Build of the compiled rank kernel; everything else about the package is in pyproject.toml."""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

OPTIMISE = ["/O2"] if sys.platform == "win32" else ["-O3"]

extensions = cythonize(
    [Extension("fastpatent.retrieval._rank", ["fastpatent/retrieval/_rank.pyx"], extra_compile_args=OPTIMISE)]
)
for extension in extensions:
    # Without a compiler the package installs all the same and counts ranks by NumPy, with the same numbers. Said here and
    # not above because cythonize does not pass it on.
    extension.optional = True

setup(ext_modules=extensions)
