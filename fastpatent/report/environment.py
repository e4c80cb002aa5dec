"""Hardware and software of a measurement."""

import importlib
import os
import platform
from pathlib import Path

MODULES = ("fastpatent", "torch", "timm", "numpy", "PIL", "skimage", "cv2", "sklearn")


def processor() -> str:
    """Return the CPU's name and the number of cores available to this process."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cores} cores"


def versions() -> str:
    """Return the versions of Python, of this package and of those that affect features, in one line."""
    found = {"Python": platform.python_version()}
    found |= {name: importlib.import_module(name).__version__ for name in MODULES}
    return ", ".join(f"{name} {version}" for name, version in found.items())
