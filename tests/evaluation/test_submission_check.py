"""Every fault of a submission is found in one reading, and two submissions are compared as SciPy does."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from fastpatent.errors import DataError
from fastpatent.evaluation.submission import write_submission
from fastpatent.evaluation.submission_check import agreement, count_lines, read_submission

RANKING = np.stack([np.random.default_rng(row).permutation(30)[:10] for row in range(6)])


def test_what_this_program_writes_has_no_fault(tmp_path):
    for path in write_submission(RANKING, tmp_path):
        found = read_submission(path, 6, 30)
        assert found.faults == []
        np.testing.assert_array_equal(found.ranking, RANKING)


def test_all_faults_are_found_at_once_with_their_rows(tmp_path):
    wrong = RANKING.astype(np.int32)
    wrong[1, 3], wrong[1, 4], wrong[4, 0] = 30, -2, 1000
    wrong[2, 9] = wrong[2, 0] = 5
    np.save(tmp_path / "x.npy", wrong)
    assert read_submission(tmp_path / "x.npy", 7, 30).faults == [
        "dtype int32, must be int64",
        "6 rows, but the list has 7 queries",
        "2 of 6 rows with values that are no lines of the database, 0..29:\nrow 1: 30, -2\nrow 4: 1000",
        "1 of 6 rows with a value twice or more:\nrow 2: 5",
    ]
    alone = read_submission(tmp_path / "x.npy").faults
    assert alone[1].startswith("1 of 6 rows with values that are no line numbers:\nrow 1: -2") and len(alone) == 3
    np.save(tmp_path / "x.npy", np.where(RANKING == RANKING[0, 0], np.nan, RANKING))
    assert (
        "values that are no lines of the database, 0..29:\nrow 0: nan"
        in read_submission(tmp_path / "x.npy", 6, 30).faults[1]
    )


def test_thousands_of_wrong_rows_are_counted_and_ten_are_shown(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5000, 10), np.int64))
    (fault,) = read_submission(tmp_path / "x.npy").faults
    assert fault.startswith("5,000 of 5,000 rows") and len(fault.split("\n")) == 12 and fault.endswith("and 4,990 more rows")


def test_two_submissions_agree_as_sets_and_as_scipy_says(tmp_path):
    generator = np.random.default_rng(1)
    one, other = (np.stack([generator.permutation(14)[:10] for _ in range(50)]) for _ in range(2))
    one[0], other[0] = np.arange(10), np.arange(9, 19)  # one common answer: no order
    overlaps, taus = [], []
    for left, right in zip(one.tolist(), other.tolist()):
        common = set(left) & set(right)
        overlaps.append(len(common) / 10)
        if len(common) > 1:
            taus.append(kendalltau(*([row.index(value) for value in common] for row in (left, right))).statistic)
    found = agreement(one, other)
    assert found.compared == len(taus) == 49
    np.testing.assert_allclose((found.overlap, found.tau), (np.mean(overlaps), np.mean(taus)), rtol=1e-12)
    assert agreement(one, one)[:2] == (1, 1) and agreement(one, one[:, ::-1])[:2] == (1, -1)
    assert np.isnan(agreement(one, one + 100).tau)


def test_the_lines_of_a_list_are_counted(tmp_path):
    (tmp_path / "list.txt").write_text("a/x.png 1\n\nb/y.png 2\n")
    assert count_lines(tmp_path / "list.txt") == 2
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="list.txt: the list is empty"):
        count_lines(tmp_path / "list.txt")
