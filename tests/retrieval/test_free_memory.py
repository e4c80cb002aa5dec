"""Free memory from files in the format of Linux, and on this machine."""

import pytest
import torch

from fastpatent.retrieval import free_memory
from fastpatent.retrieval.free_memory import block_bytes, free_bytes

MIB = 2**20


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A function that writes {path below proc or cgroup: text} as the files of the system."""
    monkeypatch.setattr(free_memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(free_memory, "CGROUPS", tmp_path / "cgroup")

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


MEMINFO = {"proc/meminfo": "MemTotal:       24684084 kB\nMemAvailable:    8192 kB\nHugePages_Total:       0\n"}


def group(folder, limit, used, stat=""):
    """Return the files of one cgroup."""
    return {
        f"cgroup/{folder}memory.max": f"{limit}\n",
        f"cgroup/{folder}memory.current": f"{used}\n",
        f"cgroup/{folder}memory.stat": stat,
    }


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, 8 * MIB),
        ({"proc/self/cgroup": "0::/\n"} | group("", "max", 5 * MIB), 8 * MIB),
        ({"proc/self/cgroup": "0::/\n"} | group("", 5 * MIB, 2 * MIB), 3 * MIB),
        ({"proc/self/cgroup": "0::/\n"} | group("", 50 * MIB, 2 * MIB), 8 * MIB),
        ({"proc/self/cgroup": "0::/\n"} | group("", 5 * MIB, 6 * MIB), 0),
        ({"proc/self/cgroup": "4:memory:/old\n0::/job/step\n"} | group("job/", 7 * MIB, 5 * MIB), 2 * MIB),
        (
            {"proc/self/cgroup": "0::/job/step\n"} | group("job/", 9 * MIB, 5 * MIB) | group("job/step/", 4 * MIB, MIB),
            3 * MIB,
        ),
        (
            {"proc/self/cgroup": "0::/\n"}
            | group("", 5 * MIB, 4 * MIB, f"anon {MIB}\nfile {3 * MIB}\nactive_file {MIB}\ninactive_file {MIB}\n"),
            3 * MIB,
        ),
        ({"proc/self/cgroup": "4:memory:/old\n"} | group("", 5 * MIB, 2 * MIB), 8 * MIB),
        ({"proc/self/cgroup": "0::/../other\n"} | group("", 5 * MIB, 2 * MIB), 3 * MIB),
    ],
)
def test_free_is_what_machine_and_cgroups_leave(system, files, expected):
    system(MEMINFO | files)
    assert free_bytes() == expected


def test_a_fixed_amount_where_the_system_does_not_say(system):
    assert free_bytes() == 2**30


def test_a_block_is_a_quarter_up_to_a_limit(system):
    for available, expected in [(8192, 2 * MIB), (0, 0), (10**9, free_memory.MOST)]:
        system({"proc/meminfo": f"MemAvailable: {available} kB\n"})
        assert block_bytes() == expected, available


def test_a_gpu_reports_its_own_memory(monkeypatch):
    for device in ["cuda", "cuda:1", torch.device("cuda", 1)]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda which: (3 * MIB, 9 * MIB) if which == device else None)
        assert free_bytes(device) == 3 * MIB, device


def test_this_machine_has_free_memory_and_less_than_all():
    sizes = free_memory._table(free_memory.PROC / "meminfo")
    if not sizes:
        pytest.skip("no /proc/meminfo on this system: nothing to compare with")
    assert 0 < free_bytes() < sizes["MemTotal"] * 1024
