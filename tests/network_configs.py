"""The files under configs/ that describe a network; the others name descriptors, benchmarks and spaces of sweeps."""

from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
OTHERS = {"descriptors", "benchmark", "sweeps"}


def network_configs():
    """Return their paths, sorted."""
    return sorted(path for path in CONFIGS.rglob("*.yml") if path.parent.name not in OTHERS)
