"""Features on disk: read again while nothing has changed, and extracted again where the files cannot be used."""

import hashlib
import json
import logging

import numpy as np
import pytest
import torch

from fastpatent import distributed
from fastpatent.config import load_config
from fastpatent.evaluation import cache
from fastpatent.evaluation.cache import cached_features
from tests.evaluation.cached_set import write_set

CPU = torch.device("cpu")
FEATURES = np.random.default_rng(0).standard_normal((3, 5), dtype=np.float32)


class Run:
    """A test set of three drawings whose features are needed again and again."""

    def __init__(self, folder, caplog):
        self.folder, self.caplog, self.extracted = folder, caplog, 0
        self.splits = write_set(folder)
        self.array, self.record = folder / "run" / "features" / "Set.npy", folder / "run" / "features" / "Set.json"

    def features(self, *words):
        """Return the features; the log of this call alone is in `messages`."""
        self.caplog.clear()
        given = {"DATASETS.ROOT": "data", "MODEL.WEIGHTS": "net.pth", "OUTPUT_DIR": "run"}
        places = [word for key, name in given.items() for word in (key, str(self.folder / name))]
        cfg = load_config(overrides=[*places, *words])
        return cached_features(cfg, self.splits, CPU, self.extract)

    @property
    def messages(self):
        """Lines of the log, warnings as the terminal shows them."""
        prefixes = {logging.INFO: "", logging.WARNING: "warning: "}
        return [prefixes[record.levelno] + record.getMessage() for record in self.caplog.records]

    def extract(self):
        self.extracted += 1
        return FEATURES


@pytest.fixture
def run(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fastpatent")
    return Run(tmp_path, caplog)


@pytest.fixture
def cached(run):
    """A run whose features are cached."""
    run.features()
    return run


def test_features_are_extracted_once_and_read_bit_by_bit(run):
    first = run.features()
    assert run.messages == [f"features of Set: cached in {run.array}"]
    again = run.features("TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "9", "TEST.METRIC", "euclidean")
    written = json.loads(run.record.read_text())["written"]
    assert run.messages == [f"features of Set: cached on {written}, same weights, configuration and images ({run.array})"]
    np.testing.assert_array_equal(again, first)
    assert run.extracted == 1 and again.dtype == np.float32


def test_the_files_are_plain_and_explain_themselves(cached):
    np.testing.assert_array_equal(np.load(cached.array, mmap_mode="r"), FEATURES)
    record = json.loads(cached.record.read_text())
    assert record["sha256"] == hashlib.sha256(cached.array.read_bytes()).hexdigest()
    assert record["origin"]["weights"] == hashlib.sha256(b"weights").hexdigest()
    assert record["origin"]["configuration"]["INPUT.SIZE_TEST"] == [256, 128]
    assert record["from"]["weights"].endswith("net.pth") and record["shape"] == [3, 5] and record["dtype"] == "float32"
    assert sorted(path.name for path in cached.array.parent.iterdir()) == ["Set.json", "Set.npy"]


def test_another_origin_is_named_and_replaces_the_cache(cached):
    cached.features("INPUT.SIZE_TEST", "[32,32]")
    assert "extracted again" in cached.messages[0] and "configuration (INPUT.SIZE_TEST)" in cached.messages[0]
    cached.features("INPUT.SIZE_TEST", "[32,32]")
    assert "cached on" in cached.messages[0] and cached.extracted == 2
    cached.features()
    assert cached.extracted == 3


def _flip_byte(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _replace(run, features, whole=True):
    """Write other features, or their header alone, with the digest of the file in the record."""
    with open(run.array, "wb") as file:
        if whole:
            np.save(file, features)
        else:  # numpy asks for the memory of all of them
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(features))
    _edit(run.record, sha256=hashlib.sha256(run.array.read_bytes()).hexdigest())


DAMAGES = [
    (lambda run: _flip_byte(run.array, -1), "Set.npy is damaged"),
    (lambda run: _flip_byte(run.array, 20), "Set.npy is damaged"),  # in the header
    (lambda run: run.array.write_bytes(run.array.read_bytes()[:-4]), "Set.npy is damaged"),
    (lambda run: run.array.write_bytes(b""), "Set.npy is damaged"),
    (lambda run: np.save(run.array, FEATURES + 1), "Set.npy is damaged"),
    (lambda run: _replace(run, np.zeros(4, np.float32)), "Set.npy has another shape"),
    (lambda run: _replace(run, FEATURES.astype(float)), "Set.npy has another shape"),
    (lambda run: _replace(run, np.broadcast_to(np.float32(0), (10**12, 99)), whole=False), "Set.npy has another shape"),
    (lambda run: run.array.unlink(), "Set.npy cannot be read: No such file"),
    (lambda run: run.record.unlink(), "Set.json cannot be read: No such file"),
    (lambda run: run.record.write_text(run.record.read_text()[:-9]), "Set.json is damaged"),
    (lambda run: run.record.write_bytes(b"\xff\0"), "Set.json is damaged"),
    (lambda run: run.record.write_text("[]"), "Set.json is damaged"),
    (lambda run: run.record.write_text("{}"), "Set.json is damaged"),
    (lambda run: _edit(run.record, key="0", origin=3), "Set.json is damaged"),
    (lambda run: _edit(run.record, key="0", origin={}), "Set.json is damaged"),
    (lambda run: _edit(run.record, key="0"), "Set.json is damaged"),
    (lambda run: _edit(run.record, sha256=None), "Set.npy is damaged"),
    (lambda run: _edit(run.record, format=cache.FORMAT - 1), "Set.json is of another version"),
    (lambda run: (run.folder / "net.pth").write_bytes(b"others"), "Set.npy is of other weights"),
    (lambda run: (run.folder / "data" / "b").write_bytes(b"redrawn"), "Set.npy is of other drawings"),
]


def test_an_unusable_cache_is_explained_in_a_line_and_replaced(cached):
    for number, (damage, reason) in enumerate(DAMAGES):
        damage(cached)
        np.testing.assert_array_equal(cached.features(), FEATURES)
        messages = cached.messages
        assert reason in messages[0] and "extracted again" in messages[0], (number, reason)
        assert len(messages) == 2 and not any("\n" in line for line in messages), (number, reason)
        assert cached.extracted == number + 2, reason
        cached.features()
        assert cached.extracted == number + 2 and "cached on" in cached.messages[0], reason


def test_a_kill_between_the_two_files_is_noticed(cached, monkeypatch):
    (cached.folder / "net.pth").write_bytes(b"others")
    write = cache.write_atomically

    def stop(path, work):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, work)

    with monkeypatch.context() as patched:
        patched.setattr(cache, "write_atomically", stop)
        patched.setattr(cached, "extract", lambda: FEATURES + 1)
        with pytest.raises(KeyboardInterrupt):
            cached.features()
    (cached.folder / "net.pth").write_bytes(b"weights")  # the record's, but the array is another network's
    np.testing.assert_array_equal(cached.features(), FEATURES)
    assert "damaged" in cached.messages[0]


def test_a_full_disk_is_a_warning_and_leaves_the_old_cache(cached, monkeypatch):
    before = cached.array.read_bytes()

    def full(*_):
        raise OSError("12 requested and 0 written")  # as NumPy puts it

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        np.testing.assert_array_equal(cached.features("TEST.PRECISION", "bf16"), FEATURES)
    assert cached.messages[-1] == f"warning: features of Set: not cached, {cached.array}: 12 requested and 0 written"
    assert cached.array.read_bytes() == before and len(list(cached.array.parent.iterdir())) == 2
    cached.features()
    assert cached.extracted == 2


def test_a_file_in_place_of_the_folder_is_a_warning(run):
    (run.folder / "run").mkdir()
    (run.folder / "run" / "features").write_text("")
    np.testing.assert_array_equal(run.features(), FEATURES)
    assert run.messages[0].startswith("warning: features of Set: not cached")
    assert "features: File exists" in run.messages[0]


def test_features_of_weights_that_change_meanwhile_are_not_cached(run, monkeypatch):
    def extract():
        (run.folder / "net.pth").write_bytes(b"newer")
        return FEATURES

    monkeypatch.setattr(run, "extract", extract)
    run.features()
    assert "not cached, weights or images were changed" in run.messages[0] and not run.array.exists()


def test_without_a_cache_or_weights_or_in_several_processes_it_only_extracts(cached, monkeypatch):
    cases = [("TEST.CACHE_FEATURES", "False"), ("MODEL.WEIGHTS", ""), ("MODEL.WEIGHTS", "nowhere.pth")]
    for number, words in enumerate(cases):
        cached.features(*words)
        assert cached.extracted == number + 2 and not cached.messages, words
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(cached, "extract", lambda: None)  # as in all processes but the first
    assert cached.features() is None and not cached.messages
