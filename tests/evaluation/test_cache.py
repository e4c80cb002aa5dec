import hashlib
import json

import numpy as np
import pytest
import torch

from fastpatent.config import load_config
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation import cache
from fastpatent.evaluation.cache import cached_features

CPU = torch.device("cpu")
FEATURES = np.random.default_rng(0).standard_normal((3, 5), dtype=np.float32)


class Run:
    """A test set of three drawings whose features are asked for again and again."""

    def __init__(self, folder):
        (folder / "data").mkdir()
        for name in "abc":
            (folder / "data" / name).write_bytes(name.encode())
        (folder / "net.pth").write_bytes(b"weights")
        self.folder, self.said, self.extracted = folder, [], 0
        samples = [Sample(str(folder / "data" / name), None) for name in "abc"]
        self.splits = Splits("Set", [], samples[:1], samples[1:])
        self.array, self.record = folder / "run" / "features" / "Set.npy", folder / "run" / "features" / "Set.json"

    def features(self, *words):
        """Ask; what was said is in `said`."""
        self.said = []
        given = {"DATASETS.ROOT": "data", "MODEL.WEIGHTS": "net.pth", "OUTPUT_DIR": "run"}
        places = [word for key, name in given.items() for word in (key, str(self.folder / name))]
        cfg = load_config(overrides=[*places, *words])
        return cached_features(cfg, self.splits, CPU, self.extract, self.said.append)

    def extract(self):
        self.extracted += 1
        return FEATURES


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def kept(run):
    """A run that has its features kept."""
    run.features()
    return run


def test_features_are_extracted_once_and_the_same_to_the_bit(run):
    first = run.features()
    assert "kept in" in run.said[0] and str(run.array) in run.said[0]
    again = run.features("TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "9", "TEST.METRIC", "euclidean")
    written = json.loads(run.record.read_text())["written"]
    assert run.said == [f"features of Set: kept from {written}, same weights, configuration and drawings ({run.array})"]
    np.testing.assert_array_equal(again, first)
    assert run.extracted == 1 and again.dtype == np.float32


def test_the_files_are_plain_and_explain_themselves(kept):
    np.testing.assert_array_equal(np.load(kept.array, mmap_mode="r"), FEATURES)
    record = json.loads(kept.record.read_text())
    assert record["sha256"] == hashlib.sha256(kept.array.read_bytes()).hexdigest()
    assert record["origin"]["weights"] == hashlib.sha256(b"weights").hexdigest()
    assert record["origin"]["configuration"]["INPUT.SIZE_TEST"] == [256, 128]
    assert record["from"]["weights"].endswith("net.pth") and record["shape"] == [3, 5] and record["dtype"] == "float32"
    assert sorted(path.name for path in kept.array.parent.iterdir()) == ["Set.json", "Set.npy"]


def test_another_origin_is_named_and_replaces_what_is_kept(kept):
    kept.features("INPUT.SIZE_TEST", "[32,32]")
    assert "extracted again" in kept.said[0] and "configuration (INPUT.SIZE_TEST)" in kept.said[0]
    kept.features("INPUT.SIZE_TEST", "[32,32]")
    assert "kept from" in kept.said[0] and kept.extracted == 2
    kept.features()
    assert kept.extracted == 3


def _flip_byte(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _with_other_rows(path):
    np.save(path, FEATURES + 1)


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda run: _flip_byte(run.array, -1), "Set.npy is damaged"),
        (lambda run: _flip_byte(run.array, 20), "Set.npy is damaged"),  # in the header
        (lambda run: run.array.write_bytes(run.array.read_bytes()[:-4]), "Set.npy is damaged"),
        (lambda run: run.array.write_bytes(b""), "Set.npy is damaged"),
        (lambda run: _with_other_rows(run.array), "Set.npy is damaged"),
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
        (lambda run: _edit(run.record, format=2), "Set.json is of another version"),
        (lambda run: (run.folder / "net.pth").write_bytes(b"others"), "Set.npy is of other weights"),
        (lambda run: (run.folder / "data" / "b").write_bytes(b"redrawn"), "Set.npy is of other drawings"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line_and_extracted_again(kept, damage, said):
    damage(kept)
    np.testing.assert_array_equal(kept.features(), FEATURES)
    assert kept.extracted == 2 and said in kept.said[0] and "extracted again" in kept.said[0]
    assert len(kept.said) == 2 and not any("\n" in line for line in kept.said)
    kept.features()
    assert kept.extracted == 2 and "kept from" in kept.said[0]


def test_a_kill_between_the_two_files_is_noticed(kept, monkeypatch):
    (kept.folder / "net.pth").write_bytes(b"others")
    write = cache.write_atomically

    def stop(path, work):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, work)

    monkeypatch.setattr(cache, "write_atomically", stop)
    monkeypatch.setattr(kept, "extract", lambda: FEATURES + 1)
    with pytest.raises(KeyboardInterrupt):
        kept.features()
    monkeypatch.undo()
    (kept.folder / "net.pth").write_bytes(b"weights")  # the record's, but the array is another network's
    np.testing.assert_array_equal(kept.features(), FEATURES)
    assert "damaged" in kept.said[0]


def test_a_full_disk_is_a_warning_and_leaves_what_was_kept(kept, monkeypatch):
    before = kept.array.read_bytes()

    def full(*_):
        raise OSError("12 requested and 0 written")  # as NumPy puts it

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        np.testing.assert_array_equal(kept.features("TEST.PRECISION", "bf16"), FEATURES)
    assert kept.said[-1] == f"warning: features of Set: not kept, {kept.array}: 12 requested and 0 written"
    assert kept.array.read_bytes() == before and len(list(kept.array.parent.iterdir())) == 2
    kept.features()
    assert kept.extracted == 2


def test_a_file_in_the_folders_place_is_a_warning(run):
    (run.folder / "run").mkdir()
    (run.folder / "run" / "features").write_text("")
    np.testing.assert_array_equal(run.features(), FEATURES)
    assert run.said[0].startswith("warning: features of Set: not kept") and "features: File exists" in run.said[0]


def test_weights_that_change_meanwhile_are_not_taken_for_the_old(run, monkeypatch):
    def extract():
        (run.folder / "net.pth").write_bytes(b"newer")
        return FEATURES

    monkeypatch.setattr(run, "extract", extract)
    run.features()
    assert "not kept" in run.said[0] and not run.array.exists()


@pytest.mark.parametrize(
    "words", [("TEST.CACHE_FEATURES", "False"), ("MODEL.WEIGHTS", ""), ("MODEL.WEIGHTS", "nowhere.pth")]
)
def test_without_a_cache_or_weights_it_only_extracts(kept, words):
    kept.features(*words)
    assert kept.extracted == 2 and not kept.said
