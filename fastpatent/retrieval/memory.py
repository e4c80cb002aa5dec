"""How much memory is free, so that the size of a block follows the machine and not a guess."""

from pathlib import Path

import torch

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
UNKNOWN = 2**30  # assumed free where the system does not say
MOST = 64 * 2**20  # larger blocks save no time: they are beyond every cache
SHARE = 4


def free_bytes(device="cpu"):
    """Return how many bytes may be taken without swapping or being killed.

    On a CPU under Linux: MemAvailable, or less where a cgroup (version 2: a container, a batch job) allows less, with the
    clean page cache charged to it counted as free; elsewhere 1 GiB. On a card: what its driver reports.

    Args:
        device: "cpu", "cuda" or "cuda:<number>" (a torch.device will do).
    """
    if str(device).startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    available = _table(PROC / "meminfo").get("MemAvailable")
    return min([UNKNOWN if available is None else available * 1024, *_left_in_cgroups()])


def block_bytes():
    """Return the bytes one block of a computation on the CPU may take: a quarter of what is free, and at most MOST."""
    return min(MOST, free_bytes() // SHARE)


def _left_in_cgroups():
    """Yield what this process's cgroup, and each above it, has left below its limit."""
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


def _table(path):
    """Return the first number after each name of a file of lines `name number` or `name: number kB`."""
    fields = (line.replace(":", " ").split() for line in _lines(path))
    return {name: int(number) for name, number, *_ in (row for row in fields if len(row) > 1) if number.isdigit()}


def _lines(path):
    """Return the lines of a file, none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
