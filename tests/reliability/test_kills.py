"""A few stops at random moments: what was gone on with is equal to what was never stopped."""

import random

import pytest

from benchmarks.reliability import kills

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job_of(tmp_path_factory):
    """Function of a job's name that returns (a small form of the job, scratch folder, the small disk or None)."""
    data, out, scratch = map(tmp_path_factory.mktemp, ("data", "out", "scratch"))
    with kills.small_disk(out) as mounted:
        jobs = kills.make_jobs(data, out, epochs=2, designs=12, patents=20)
        yield lambda name: (jobs[name], scratch, out if mounted else None)


@pytest.mark.parametrize("name", ["training", "adding"])
def test_what_was_stopped_ends_equal(job_of, name):
    job, scratch, disk = job_of(name)
    counts, wrong = kills.kill(job, 1, random.Random(name), scratch, disk)
    assert not wrong and counts["runs"] == counts["equal"] >= 1 and sum(counts[kind] for kind in kills.KINDS) == 1


PROGRAM = """
import os, time
os.makedirs("{out}", exist_ok=True)
open("{out}/a", "a").write("x")
print("going", flush=True)
time.sleep(0.3)
open("{out}/.7.b", "w")
"""


def test_what_differs_or_is_left_is_named(tmp_path):
    """A job that goes on by writing once more to its file, and leaves a temporary one."""
    job = kills.Job(["-c", PROGRAM.format(out=tmp_path / "out")], tmp_path / "out", kills.files)
    counts, wrong = kills.kill(job, 1, random.Random(0), tmp_path, None)
    assert counts["runs"] and not counts["equal"]
    assert set(wrong) == {"1 differ from the run never stopped: a", f"left: {tmp_path}/out/.7.b"}
