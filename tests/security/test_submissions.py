"""Submissions from elsewhere: whatever is wrong with one is a sentence, found within the memory of a submission."""

import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.evaluation.submission_check import read_submission
from tests.security.test_caches import npy
from tests.security.test_pickles import payloads

RANKING = np.tile(np.arange(10), (6, 1))


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_npy", ".npy"), data)
    return path


HOSTILE = {
    "10 TB of columns": (npy(RANKING, shape=(6, 10**12)), "shape [6, 1000000000000], must be [queries, 10]"),
    "10 TB of rows": (npy(RANKING, shape=(10**12, 10)), "480 bytes of values, which are not the 1,000,000,000,000 rows"),
    "negative": (npy(RANKING, shape=(-6, 10)), "480 bytes of values"),
    "cut": (npy(RANKING)[:-1], "479 bytes of values"),
    "objects": (npy(RANKING, descr="|O"), "dtype object, must be int64"),
    "a structure": (npy(RANKING, descr=[("a", "<f4", (2,))]), "dtype "),
    "another byte order": (npy(RANKING.astype(">i8")), "dtype >i8, must be int64"),
    "one dimension": (npy(RANKING[0]), "shape [10], must be"),
    "no rows": (npy(RANKING[:0]), "has no rows"),
    "text": (b"my thesis", "is no array of NumPy"),
    "an empty file": (b"", "is no array of NumPy"),
    "a long header": (b"\x93NUMPY\1\0\xff\xff" + b"(" * 65535, "is no array of NumPy"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_one_sentence(name, packed, tmp_path):
    data, sentence = HOSTILE[name]
    path = zipped(tmp_path / "x", result_npy=data) if packed else tmp_path / "x"
    if not packed:
        path.write_bytes(data)
    faults = read_submission(path, 6, 30).faults
    assert len(faults) == 1 and sentence in faults[0] and "\n" not in faults[0]


def test_hostile_archives_are_one_sentence_and_little_memory(tmp_path):
    path, ran = tmp_path / "x.zip", tmp_path / "ran"
    zipped(path, **{"../result_npy": npy(RANKING)})
    assert read_submission(path).faults == ["the archive holds ../result.npy; it must hold result.npy alone"]
    zipped(path, result_npy=npy(RANKING), **{f"{n}\x1b": b"" for n in range(500)})
    faults = read_submission(path).faults
    assert len(faults) == 1 and "\x1b" not in faults[0] and faults[0].endswith(", ...; it must hold result.npy alone")
    zipped(path, **{f"member {number}": b"" for number in range(2000)})
    assert "table of contents has more than" in read_submission(path).faults[0]
    path.write_bytes(zipped(path, result_npy=npy(RANKING)).read_bytes()[:-30])
    assert read_submission(path).faults[0].startswith("the archive cannot be read: not a complete ZIP file")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("result.npy", npy(RANKING))
    assert read_submission(path).faults == ["the archive cannot be read: result.npy is neither stored nor deflated"]
    zipped(path, result_npy=bytes(2**29))
    tracemalloc.start()
    assert read_submission(path).faults == ["result.npy in the archive has more than 32,065,536 bytes"]
    assert tracemalloc.get_traced_memory()[1] < 2**27
    tracemalloc.stop()
    for what, data in payloads(ran):
        path.write_bytes(data)
        assert read_submission(path).faults and not ran.exists(), what


def test_what_is_no_file_or_too_large_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 10**12)
    for name in ("pipe", "large", "missing"):
        with pytest.raises(DataError, match=f"{name}: the submission cannot be read: "):
            read_submission(tmp_path / name)
