"""The two files of a submission."""

import zipfile

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.evaluation.submission import check_submission, write_submission


def test_the_archive_holds_the_array_beside_it(tmp_path):
    ranking = np.random.default_rng(0).integers(0, 99, (7, 10)).astype(np.int32)
    array, archive = write_submission(ranking, tmp_path)
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["result.npy"]
        assert packed.read("result.npy") == array.read_bytes()
    loaded = np.load(array)
    assert loaded.dtype == np.int64 and loaded.shape == (7, 10)
    np.testing.assert_array_equal(loaded, ranking)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.npy", "result.zip"]


def test_too_few_columns_are_refused(tmp_path):
    with pytest.raises(DataError, match="10 columns.* only 4"):
        write_submission(np.zeros((3, 4), np.int64), tmp_path)


def test_a_failed_write_leaves_the_old_submission(tmp_path, monkeypatch):
    write_submission(np.zeros((3, 10)), tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="result.npy could not be written: No space left"):
        write_submission(np.ones((3, 10)), tmp_path)
    assert not np.load(tmp_path / "result.npy").any()


def test_only_a_submission_is_replaced(tmp_path):
    check_submission(tmp_path)
    write_submission(np.zeros((3, 10)), tmp_path)
    check_submission(tmp_path)
    for name, content in (("result.npy", b"my thesis"), ("result.zip", b"PK of another kind")):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"^the submission {tmp_path / name}: this file is there already"):
            check_submission(tmp_path)
        (tmp_path / name).write_bytes(before)
    np.save(tmp_path / "result.npy", np.zeros((3, 4)))
    with pytest.raises(DataError, match="result.npy: this file is there already"):
        check_submission(tmp_path)
