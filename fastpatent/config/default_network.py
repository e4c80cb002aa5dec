"""Where the network in the box lies: its configuration and its weights are files of the package."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "weights"
NAME = "default"  # of these weights, as MODEL.WEIGHTS
CONFIG, WEIGHTS = str(FOLDER / "default.yml"), str(FOLDER / "default.safetensors")
