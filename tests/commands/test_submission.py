"""`fastpatent submission check` as a user runs it."""

import numpy as np
import pytest

from fastpatent.commands import main
from fastpatent.evaluation.submission import write_submission


@pytest.fixture
def lists(tmp_path):
    """Options that name a list of 4 queries and one of 20 drawings."""
    words = []
    for name, lines in (("queries", 4), ("database", 20)):
        (tmp_path / name).write_text("".join(f"p{line}/x.png {line}\n" for line in range(lines)))
        words += [f"--{name}", str(tmp_path / name)]
    return words


def test_a_good_submission_is_one_line_and_is_compared(lists, tmp_path, capfd):
    ranking = np.tile(np.arange(10), (4, 1))
    array, archive = write_submission(ranking, tmp_path)
    assert main(["submission", "check", str(archive), *lists]) == 0
    assert capfd.readouterr() == (f"{archive}: ok, 4 rows of 10 different lines\n", "")
    other = tmp_path / "other.npy"
    np.save(other, ranking[:, ::-1] + 5)
    assert main(["submission", "check", str(array), "--against", str(other)]) == 0
    printed = capfd.readouterr().out
    assert (
        "lines; without --queries their number is not checked; without --database the largest value is not checked"
        in printed
    )
    assert "overlap@10 0.5000; Kendall's tau of the answers in both -1.0000, mean over the 4 queries" in printed


def test_faults_of_both_files_are_errors_and_nothing_is_compared(lists, tmp_path, capfd):
    good, _ = write_submission(np.tile(np.arange(10), (4, 1)), tmp_path)
    bad = tmp_path / "bad\x1b.npy"
    np.save(bad, np.full((5, 10), 20))
    assert main(["submission", "check", str(bad), "--against", str(good), *lists]) == 1
    printed = capfd.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err and "\x1b" not in printed.err
    assert "bad\\x1b.npy: 5 rows, but the list has 4 queries\n" in printed.err
    assert "5 of 5 rows with values that are no lines of the database, 0..19:\nerror: row 0: 20, 20" in printed.err
    np.save(bad, np.tile(np.arange(10), (3, 1)))
    assert main(["submission", "check", str(good), "--against", str(bad)]) == 1
    assert "3 rows, which are of other queries" in capfd.readouterr().err
    assert main(["submission", "check", str(tmp_path / "none.npy")]) == 1
    assert main(["submission", "check", str(good), "--queries", str(tmp_path / "no list")]) == 1
    assert capfd.readouterr().err.count("error: ") == 2
