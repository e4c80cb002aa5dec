"""Free memory, from which block sizes are computed."""

from collections.abc import Iterator
from pathlib import Path

import torch

from fastpatent.errors import DataError

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
UNKNOWN = 2**30  # assumed free if the system reports nothing
MOST = 64 * 2**20  # larger blocks save no time: they exceed every cache
SHARE = 4  # a block takes 1 / SHARE of the free memory


def free_bytes(device: str | torch.device = "cpu") -> int:
    """Return how many bytes can be allocated without swapping or an out-of-memory kill.

    CPU under Linux: MemAvailable, or less if a cgroup (version 2: a container, a batch job) has a lower limit, whose page
    cache counts as free. CPU elsewhere: 1 GiB. GPU: the value that the driver reports.

    Args:
        device: "cpu", "cuda" or "cuda:<number>", also as torch.device.
    """
    if str(device).startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    available = _table(PROC / "meminfo").get("MemAvailable")
    return min([UNKNOWN if available is None else available * 1024, *_left_in_cgroups()])


def block_bytes() -> int:
    """Return the bytes for one block of a CPU computation: a quarter of the free memory, at most MOST."""
    return min(MOST, free_bytes() // SHARE)


def check_room(rows: int, k: int) -> None:
    """Raise DataError where the k nearest of so many rows do not fit in memory, at 12 bytes each, twice while joined."""
    needed, free = 24 * rows * k, free_bytes()
    if needed > free:
        raise DataError(f"the {k:,} nearest of {rows:,} rows take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free")


def _left_in_cgroups() -> Iterator[int]:
    """Yield the bytes left below the limit of this process's cgroup and of each of its parents."""
    unified = [line[3:] for line in _lines(PROC / "self" / "cgroup") if line.startswith("0::")]
    if not unified:
        return
    group = CGROUPS / unified[0].lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(CGROUPS):
            return
        limit, used = (_lines(folder / name) for name in ("memory.max", "memory.current"))
        if used and limit and limit[0].isdigit():
            pages = _table(folder / "memory.stat")
            cached = pages.get("inactive_file", 0) + pages.get("active_file", 0)
            yield max(0, int(limit[0]) - int(used[0]) + cached)


def _table(path: Path) -> dict[str, int]:
    """Return the first number after each name in a file of lines `name number` or `name: number kB`."""
    fields = (line.replace(":", " ").split() for line in _lines(path))
    return {name: int(number) for name, number, *_ in (row for row in fields if len(row) > 1) if number.isdigit()}


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; empty if it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
