"""Features of single files: what is extracted again, and what a damaged, foreign or forged file does."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save

from fastpatent.errors import DataError
from fastpatent.evaluation.drawing_store import MARK, DrawingStore, _digest, cache_folder, current_features


class Folder:
    """Six files, and an extraction that counts; a file with the letter x cannot be read."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []
        self.paths = [str(folder / f"{name}.png") for name in "abcdef"]
        for number, path in enumerate(self.paths):
            self.write(path, f"{number}")

    def write(self, path, text):
        with open(path, "w") as file:
            file.write(text)

    def extract(self, paths, broken):
        self.asked = list(paths)
        texts = [open(path).read() if os.path.exists(path) else "x" for path in paths]
        broken.update({path: f"{path}: broken" for path, text in zip(paths, texts) if "x" in text})
        return np.array([[np.nan] * 2 if "x" in text else [len(text), float(text)] for text in texts], np.float32)

    def store(self, key="k"):
        return DrawingStore(self.folder / "cache/below", "drawings", key), DrawingStore(
            self.folder / "cache", "queries", key
        )

    def features(self, views=(), key="k"):
        """Find the features, which must be those of the files; return the names that were extracted."""
        self.asked = []
        found = current_features(self.paths, list(views), self.extract, self.store(key))
        texts = {path: open(path).read() for path in [*self.paths, *views] if os.path.exists(path)}
        expected = {path: [len(text), float(text)] for path, text in texts.items() if "x" not in text}
        assert {path: row.tolist() for path, row in found.items()} == expected
        return sorted(os.path.basename(path)[0] for path in self.asked)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_only_new_and_changed_files_are_extracted(folder):
    assert folder.features() == [*"abcdef"]
    assert folder.features() == []
    assert folder.features(key="another network") == [*"abcdef"]
    folder.write(folder.paths[2], "33")
    os.utime(folder.paths[4], ns=(1, 1))
    assert {*folder.features()} >= {"c", "e"} and len(folder.asked) == 3  # one that is known is among them
    del folder.paths[1]
    view = str(folder.folder / "view.png")
    folder.write(view, "7")
    assert "v" in folder.features([view])
    assert folder.features([view]) == folder.features() == []
    assert len(folder.store()[0].read(6)) == 5 and len(folder.store()[1].read(1)) == 1


def test_what_cannot_be_read_is_missing_and_tried_again(folder, caplog):
    folder.write(folder.paths[3], "x")
    assert folder.features() == [*"abcdef"] and "1 images cannot be read" in caplog.text
    assert "d" in folder.features() and len(folder.asked) == 2
    folder.write(folder.paths[3], "8")
    assert "d" in folder.features()
    assert folder.features() == []
    folder.paths.append(str(folder.folder / "gone.png"))
    assert "g" in folder.features()


def forged(**changes):
    """A function that writes a store with a right checksum and changed contents."""

    def write(path):
        data = path.read_bytes()
        text = data[data.index(b'{"key"') :].split(b"]]}")[0] + b"]]}"
        stored = json.loads(text)
        features = changes.pop("features", np.ones((6, 2), np.float32))
        files = json.dumps(stored | changes).encode()
        arrays = {"features": features, "files": np.frombuffer(files, np.uint8)}
        path.write_bytes(save(arrays | {"digest": np.frombuffer(_digest(features, files), np.uint8)}, {"format": MARK}))

    return write


def bit(path):
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def special(make):
    def replace(path):
        path.unlink()
        make(path)

    return replace


@pytest.mark.parametrize(
    "damage",
    [
        bit,
        cut,
        forged(key="1"),
        forged(files=[["a", 1]] * 6),
        forged(files=3),
        forged(files=[["a", 1, 1]] * 5),
        forged(features=np.full((6, 2), np.nan, np.float32)),
        forged(features=np.ones((6, 2))),
        forged(features=np.ones(6, np.float32)),
        lambda path: os.truncate(path, 2**33),
    ],
)
def test_a_damaged_or_forged_store_is_made_again(damage, folder, caplog):
    folder.features()
    damage(folder.store()[0].path)
    assert folder.features() == [*"abcdef"]
    assert str(folder.store()[0].path) in caplog.text and "extracted again" in caplog.text
    assert folder.features() == []


def state(path):
    """What tells whether a file is the same as before; reading it may change when it was read."""
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_text("mine"), os.mkfifo, lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero")],
)
def test_what_is_no_store_stays(make, folder, caplog):
    store = folder.store()[0].path
    store.parent.mkdir(parents=True)
    make(store)
    before = state(store)
    assert folder.features() == folder.features() == [*"abcdef"]
    assert "features are not cached" in caplog.text and state(store) == before


def test_rows_of_another_length_are_refused(folder):
    folder.features()
    folder.write(folder.paths[0], "9")
    forged(features=np.ones((6, 3), np.float32))(folder.store()[0].path)
    with pytest.raises(DataError, match="of other lengths are cached there"):
        folder.features()


def test_the_default_folder_is_that_of_the_user(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(cache_folder()) == "/x/fastpatent"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/y")
    assert str(cache_folder()) == "/y/.cache/fastpatent"
