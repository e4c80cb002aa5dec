"""Build of the compiled rank kernel; everything else about the package is in pyproject.toml."""
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

OPTIMISE = ["/O2"] if sys.platform == "win32" else ["-O3"]

# Optional: without a compiler the package installs all the same and ranks by NumPy, with the same numbers.
RANK = Extension("fastpatent.retrieval._rank", ["fastpatent/retrieval/_rank.pyx"], extra_compile_args=OPTIMISE,
                 optional=True)

setup(ext_modules=cythonize([RANK]))
