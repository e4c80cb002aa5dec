import importlib.metadata
import os

from fastpatent.device import cpu_name, versions


def test_versions_are_those_of_the_installed_packages():
    for name, package in (("PIL", "pillow"), ("skimage", "scikit-image"), ("sklearn", "scikit-learn")):
        assert f"{name} {importlib.metadata.version(package)}" in versions().split(", ")


def test_the_cores_are_those_this_process_may_use():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert cpu_name().endswith(", 1 cores")
    finally:
        os.sched_setaffinity(0, cores)
