"""What this machine has: GPU, CPU, torch, and each package that the project names, or that it is missing."""

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from fastpatent.device import cpu_name

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def main():
    """Print it, in lines of a name and a value."""
    if torch.cuda.is_available():
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
        print("GPU:", subprocess.run(asked, capture_output=True, text=True).stdout.strip() or torch.cuda.get_device_name())
    print("CPU:", cpu_name())
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    found, missing = [], []
    for requirement in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]:
        name = re.match(r"[\w-]+", requirement)[0]
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(requirement)
    print("packages:", ", ".join(found))
    print("missing:", ", ".join(missing) or "none")


if __name__ == "__main__":
    main()
