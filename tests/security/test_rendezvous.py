"""Two processes on one machine: who else can reach them, and what one of them can make the other do."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ATTACK = """
import argparse, os, pickle, signal, sys
from pathlib import Path
import torch.distributed as dist
from fastpatent import distributed
from fastpatent.commands import launch
from fastpatent.commands.run import run

class Evil:
    def __reduce__(self):
        return exec, ("import os; open('ran', 'a').write(f'{os.getpid()} ')",)

def report(*words):
    os.write(1, f"{' '.join(map(str, words))}\\n".encode())  # in one piece, for both processes write

def report_sockets():
    opened = {os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in opened:
                report("listens", words[1])

def attacked(send, everywhere):
    if distributed.rank() == 0:
        try:
            report("got", distributed.collect("mine", everywhere))
        except Exception as error:
            report("refused", type(error).__name__)
    else:
        try:
            send()
        except Exception:
            pass  # it unpickles what the other has sent, which is no pickle
    dist.barrier()

def job():
    report_sockets()
    report("folder", *(oct(path.stat().st_mode) for path in Path(os.environ["TMPDIR"]).glob("fastpatent-*")))
    dist.barrier()
    if distributed.rank() == 0:
        report("victim", os.getpid())
    attacked(lambda: dist.gather_object(Evil()), everywhere=False)
    attacked(lambda: dist.all_gather_object([None, None], Evil()), everywhere=True)
    if distributed.rank() == 1:
        pickle.loads(pickle.dumps(Evil()))  # to show that it would
        os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()

def spawn(*words, **named):
    children = start(*words, **named)
    report("error files", *{Path(file).parent for file in children.error_files})
    return children

start, launch.spawn = launch.spawn, spawn
if __name__ == "__main__":
    two = argparse.Namespace(num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    sys.exit(run(launch.launch, job, two))
"""


def test_no_other_machine_or_user_reaches_two_processes_and_neither_runs_the_others_code(repository, tmp_path):
    """One process speaks as torch's collectives of objects do, with a pickle that runs code, and then crashes."""
    (tmp_path / "attack.py").write_text(ATTACK)
    shared = tmp_path / "shared"
    shared.mkdir()
    environment = {
        **os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "TMPDIR": str(shared),
        "GLOO_SOCKET_IFNAME": "nowhere0",  # of a cluster's environment; on one machine it is another
    }  # fmt: skip
    command = [sys.executable, "attack.py"]
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    printed = finished.stdout
    addresses = re.findall(r"^listens (\w+):\w+$", printed, re.M)
    assert addresses and set(addresses) <= {"0100007F", f"{'0' * 24}01000000"}, printed + finished.stderr
    assert re.findall(r"^folder (.*)$", printed, re.M) == ["0o40700"] * 2
    (errors,) = re.findall(r"^error files (.*)$", printed, re.M)  # torch reads them as pickles
    assert re.fullmatch(rf"{shared}/fastpatent-\w+", errors)
    assert re.findall(r"^(?:got|refused) .*$", printed, re.M) == ["refused UnpicklingError"] * 2
    (victim,) = re.findall(r"^victim (\d+)$", printed, re.M)
    assert victim not in (tmp_path / "ran").read_text().split()  # the sender has unpickled its own
    assert not list(shared.glob("fastpatent-*"))
