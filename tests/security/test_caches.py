"""Caches, packs, journals and vocabularies from elsewhere: wrong ones are replaced or refused in one sentence."""

import io
import json
import logging
import os
import re
import resource
import signal
import zipfile
import zlib

import numpy as np
import PIL
import pytest
import torch
from safetensors.numpy import save_file

from fastpatent.config import load_config
from fastpatent.data.pack.reader import open_pack
from fastpatent.data.pack.shard import DRAWINGS_A_SHARD, VERSION, PackSize
from fastpatent.data.tables import column_names
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.descriptors.sift_fisher import is_vocabulary
from fastpatent.errors import CheckpointError, DataError
from fastpatent.evaluation import vocabulary
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.cache_key import origin_key
from fastpatent.evaluation.vocabulary import load_vocabulary
from fastpatent.files import sha256_of
from fastpatent.uspto.build import build_dataset
from tests.evaluation.cached_set import write_set
from tests.small_sets import write_drawing
from tests.uspto.weeks import LIMIT, files_below, week, write_tar

FEATURES = np.random.default_rng(0).standard_normal((3, 5), dtype=np.float32)
NOT_FILES = {
    "FIFO": os.mkfifo,
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.fixture(autouse=True)
def bounded():
    """No test here waits for a FIFO or takes 2 GiB."""

    def stop(*_):
        pytest.fail("an attack succeeded: the reader waits")

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**31, before[1]))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


class Run:
    """Cached features of three images."""

    def __init__(self, folder, caplog):
        self.splits, self.caplog = write_set(folder), caplog
        words = {"MODEL.WEIGHTS": folder / "net.pth", "DATASETS.ROOT": folder / "data", "OUTPUT_DIR": folder / "run"}
        self.cfg = load_config(overrides=[str(word) for pair in words.items() for word in pair])
        self.array, self.record = (folder / "run/features" / f"Set.{suffix}" for suffix in ("npy", "json"))
        assert "cached in" in self.features()[0]

    def features(self):
        """Read them, which must be the images' own; return the log."""
        self.caplog.clear()
        found = cached_features(self.cfg, self.splits, torch.device("cpu"), lambda: FEATURES)
        np.testing.assert_array_equal(found, FEATURES)
        return self.caplog.messages

    def edit(self, **changes):
        self.record.write_text(json.dumps({**json.loads(self.record.read_text()), **changes}))

    def forge(self, data, size=None):
        """Write other bytes, of a file as long as `size`, with their checksum in the record."""
        self.array.write_bytes(data)
        if size:
            os.truncate(self.array, size)
        self.edit(sha256="" if size else sha256_of(self.array))


@pytest.fixture
def run(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fastpatent")
    return Run(tmp_path, caplog)


def npy(values=FEATURES, **header):
    """The bytes of an array, under a header that says something else."""
    file = io.BytesIO()
    descr = np.lib.format.header_data_from_array_1_0(values)
    np.lib.format.write_array_header_1_0(file, {**descr, **header})
    return file.getvalue() + values.tobytes()


def bomb():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", bytes(2**26))
    return packed.getvalue()


def with_value(value):
    features = FEATURES.copy()
    features[1, 2] = value
    return features


ARRAYS = {
    "10 TB of columns": (npy(shape=(3, 10**12)), None),
    "10 TB of rows": (npy(shape=(10**12, 5)), None),
    "10 TB of nothing": (npy(shape=(3, 10**12)), 10**12),
    "a longer file": (npy(), 10**12),
    "no columns": (npy(FEATURES[:, :0]), None),
    "objects": (npy(descr="|O"), None),
    "a structure": (npy(descr=[("a", "<f4", (5,))], shape=(3,)), None),
    "column by column": (npy(fortran_order=True), None),
    "float64": (npy(FEATURES.astype(float)), None),
    "the other byte order": (npy(FEATURES.astype(">f4")), None),
    "two rows": (npy(FEATURES[:2]), None),
    "four rows": (npy(FEATURES[[0, 1, 2, 0]]), None),
    "negative": (npy(shape=(3, -5)), None),
    "fewer bytes": (npy()[:-4], None),
    "NaN": (npy(with_value(np.nan)), None),
    "infinite": (npy(with_value(np.inf)), None),
    "too large": (npy(with_value(3e38)), None),
    "a ZIP bomb": (bomb(), None),
}


def test_forged_features_are_extracted_again(run):
    for name, (data, size) in ARRAYS.items():
        run.forge(data, size)
        messages = run.features()
        assert len(messages) == 2 and f"extracted again, {run.array} " in messages[0] and len(messages[0]) < 300, name
        assert "cached on" in run.features()[0], name
    run.forge(npy())
    assert "cached on" in run.features()[0]  # the forging itself is right


def test_forged_records_are_replaced_in_a_short_sentence(run):
    many = json.loads(run.record.read_text())["origin"]
    many["configuration"] = {f"\x1b[31m{number}" * 9: 1 for number in range(10**4)} | {"SEED": 3}
    for change in (
        lambda: run.record.write_text("[" * 10**5),
        lambda: os.truncate(run.record, 10**12),
        lambda: run.edit(written="x" * 10**5),
        lambda: run.edit(written=3),
        lambda: run.edit(origin=many, key=origin_key(many)),
    ):
        change()
        messages = run.features()
        assert "extracted again" in messages[0] and len(messages[0]) < 9000 and "\x1b" not in messages[0]


@pytest.mark.parametrize("kind", NOT_FILES)
def test_features_in_what_is_no_file(run, kind):
    for path in (run.array, run.record):
        path.unlink()
        NOT_FILES[kind](path)
        assert re.search("extracted again|not cached", run.features()[0]), path  # a link is not replaced


SIZE = PackSize(3, 4, False)
ENTRY = ["a/1.png", 1, 1, zlib.crc32(bytes(12))]


def write_index(folder, *entries, **header):
    """Write a pack of one shard whose images are black, with the right checksum of the index."""
    lines = "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()
    whole = {
        "version": VERSION,
        **SIZE._asdict(),
        "pillow": PIL.__version__,
        "pixels": "00000.0.u8",
        "crc32": zlib.crc32(lines),
    }
    (folder / "00000.json").write_bytes(f"{json.dumps({**whole, **header})}\n".encode() + lines)
    (folder / "00000.0.u8").write_bytes(bytes(12 * len(entries)))


INDEXES = {
    "another folder": dict(pixels="../00000.0.u8"),
    "absolute": dict(pixels="/dev/zero"),
    "another shard": dict(pixels="00001.0.u8"),
    "digits of another script": dict(pixels="0000\u0660.0.u8"),
    "no text": dict(pixels=["00000.0.u8"]),
    "negative": dict(height=-3, width=-4),
    "huge": dict(height=10**30),
    "infinite": dict(width=float("inf")),
    "version": dict(version="9" * 10**5),
    "Pillow": dict(pillow=["1" * 10**5]),
}
ENTRIES = {
    "NUL": ["a\0b", 1, 1, 1],
    "no name": ["\ud800", 1, 1, 1],
    "a number for a path": [1, 1, 1, 1],
    "a list for a path": [["a"], 1, 1, 1],
    "negative checksum": ["a", 1, 1, -1],
    "checksum of 33 bits": ["a", 1, 1, 2**32],
    "a fraction": ["a", 1.5, 1, 1],
    "too few": ["a", 1],
    "too many": ["a", 1, 1, 1, 1],
}


def refused(folder):
    """The one sentence with which a pack of one shard is refused."""
    shards, (fault,) = open_pack(folder, SIZE)
    assert not shards and len(str(fault)) < 300 and str(fault).startswith(str(folder))
    return str(fault)


def test_forged_indexes_are_refused(tmp_path):
    write_index(tmp_path, ENTRY)
    assert [shard.entries[0].path for shard in open_pack(tmp_path, SIZE)[0]] == ["a/1.png"]  # the forging itself is right
    for header in INDEXES.values():
        write_index(tmp_path, ENTRY, **header)
        refused(tmp_path)
    for entry in ENTRIES.values():
        write_index(tmp_path, ENTRY, entry)
        assert "damaged" in refused(tmp_path), entry
    write_index(tmp_path, *[ENTRY] * (DRAWINGS_A_SHARD + 1))
    assert "damaged" in refused(tmp_path)
    write_index(tmp_path, ENTRY)
    os.truncate(tmp_path / "00000.0.u8", 10**12)
    assert "has 1,000,000,000,000 bytes instead of 12" in refused(tmp_path)
    os.truncate(tmp_path / "00000.json", 10**12)
    assert "has more than 16,777,216 bytes" in refused(tmp_path)


@pytest.mark.parametrize("kind", NOT_FILES)
def test_packs_in_what_is_no_file(tmp_path, kind):
    for name in ("00000.0.u8", "00000.json"):
        folder = tmp_path / name[:7]
        folder.mkdir()
        write_index(folder, ENTRY)
        (folder / name).unlink()
        NOT_FILES[kind](folder / name)
        refused(folder)


@pytest.fixture
def built(tmp_path):
    """Function () that builds a data set of six patents, or goes on with it; returns the folder and its files."""
    archive = write_tar(tmp_path / "I20210105.tar", week(range(1, 7)))

    def build():
        build_dataset([str(archive)], tmp_path / "out", seed=0, test_fraction=0.3, val_fraction=0.3, limit=LIMIT)
        return tmp_path / "out", files_below(tmp_path / "out")

    return build


def replaced_line(data, forged):
    """The lines of a journal with another third line, the first patent's, and its checksum."""
    lines = data.splitlines(keepends=True)
    if callable(forged):
        line = json.loads(lines[2])
        del line["crc32"]
        forged(line)
        forged = json.dumps(line, separators=(",", ":")).encode()[:-1]
    lines[2] = b'%b,"crc32":%d}\n' % (forged, zlib.crc32(forged))
    return b"".join(lines)


def of_record(**changes):
    return lambda line: line["record"].update(changes)


def of_drawing(**changes):
    return lambda line: line["record"]["drawings"][0].update(changes)


LINES = {
    "patent out of the folder": of_record(patent="../../private"),
    "patent of two lines": of_record(patent="USD0000001-20210105\n../x 1"),
    "no patent": of_record(patent=None),
    "no digest": of_drawing(digest=[]),
    "drawing out of the folder": of_drawing(name="../../private.png"),
    "drawing of another patent": of_drawing(name="USD0000009-20210105-D00000.png"),
    "drawing of two lines": of_drawing(name="USD0000001-20210105-D00000.png\n"),
    "drawings that are text": of_record(drawings="abc"),
    "no drawings": of_record(drawings=[]),
    "drawings that are nothing": of_record(drawings={}),
    "no record": lambda line: line.update(record=3),
    "a place that is a list": lambda line: line.update(place=[]),
    "a name that is a number": lambda line: line.update(member=5),
    "another reason": lambda line: line.update(skips=[["because", "a", "b"]]),
    "a skip of numbers": lambda line: line.update(skips=[["encrypted", 1, 2]]),
    "nothing known": lambda line: (line.clear(), line.update(other=1)),
    "complete, and more": lambda line: (line.clear(), line.update(complete=True, more=1)),
    "counts that are text": lambda line: (line.clear(), line.update(counts="a", skips=[])),
    "counts of text": lambda line: (line.clear(), line.update(counts={"encrypted": "many"}, skips=[])),
    "a count of 4,000 digits": lambda line: (line.clear(), line.update(counts={"encrypted": 10**4000}, skips=[])),
    "a negative count": lambda line: (line.clear(), line.update(counts={"encrypted": -1}, skips=[])),
    "complete, and a patent": lambda line: line.update(complete=True),
    "a patent and counts": lambda line: line.update(counts={}),
    "a scan of a record": lambda line: (line.pop("place"), line.pop("member"), line.update(counts={})),
    "no JSON": b"{]",
    "deep": b'{"a":' + b"[" * 10**5,
    "a list": b"[1",
    "objects": b'{"place":[%b0]' % (b"{}," * 20_000_000),
    "a huge number": b'{"place":' + b"9" * 10**4,
}


def test_a_forged_journal_is_resumed_before_the_line_that_no_build_writes(built):
    out, honest = built()
    journal = out / "build/I20210105.tar.jsonl"
    for name, forged in LINES.items():
        journal.write_bytes(replaced_line(honest["build/I20210105.tar.jsonl"], forged))
        assert built()[1] == honest, name
    journal.write_bytes(honest["build/I20210105.tar.jsonl"].replace(b'"crc32":', b'"crc32":' + b"9" * 10**4))
    assert built()[1] == honest


@pytest.mark.parametrize("more", [dict(), dict(place=0, member="a", record={}, skips=[]), dict(counts=3)])
def test_a_header_is_no_data(built, more):
    out, honest = built()
    journal = out / "build/I20210105.tar.jsonl"
    other = out / "build/other.tar.jsonl"
    header = json.loads(honest["build/I20210105.tar.jsonl"].splitlines()[0])
    del header["crc32"]
    forged = json.dumps({**header, **more, "complete": True}, separators=(",", ":")).encode()[:-1]
    data = b'%b,"crc32":%d}\n' % (forged, zlib.crc32(forged))
    for path in (journal, other):
        path.write_bytes(data)
        found = built()[1]
        path.unlink()
        assert {name: found[name] for name in honest} == honest
    assert built()[1] == honest


@pytest.mark.parametrize("changes", [dict(title=5), dict(date="2021"), dict(cited_patents=["a"]), dict(title="\ud800")])
def test_a_forged_record_is_refused_with_what_to_do(built, changes):
    out, honest = built()
    journal = out / "build/I20210105.tar.jsonl"
    journal.write_bytes(replaced_line(honest["build/I20210105.tar.jsonl"], of_record(**changes)))
    with pytest.raises(
        DataError, match="I20210105.tar: its journal has a record of .*ZIP that no build wrote; make the journal an empty"
    ):
        built()
    journal.write_bytes(b"")
    assert built()[1] == honest


def of_size(words, dim):
    """Return a vocabulary of these sizes, valid but for them."""
    arrays = {name: np.ones(shape, np.float32) for name, shape in (("centre", 128), ("axes", (dim, 128)))}
    arrays |= {name: np.ones((words, dim), np.float32) for name in ("means", "variances")}
    return arrays | {"weights": np.full(words, 1 / words, np.float32)}


VOCABULARIES = {
    "another name": lambda arrays: arrays.update(more=arrays["means"]),
    "one missing": lambda arrays: arrays.pop("axes"),
    "float64": lambda arrays: arrays.update(means=arrays["means"].astype(float)),
    "flat": lambda arrays: arrays.update(means=arrays["means"].ravel()),
    "empty": lambda arrays: arrays.update({name: values[:0] for name, values in arrays.items()}),
    "too wide": lambda arrays: arrays.update(centre=np.zeros(129, np.float32)),
    "NaN": lambda arrays: arrays.update(weights=arrays["weights"] * np.float32(np.nan)),
    "no variance": lambda arrays: arrays.update(variances=arrays["variances"] * np.float32(0)),
    "a small variance": lambda arrays: arrays.update(variances=arrays["variances"] * np.float32(1e-9)),
    "no weight": lambda arrays: arrays.update(weights=np.array([0, 0.5, 0.5], np.float32)),
    "no weights": lambda arrays: arrays.update(weights=arrays["weights"] * np.float32(0)),
    "large weights": lambda arrays: arrays.update(weights=arrays["weights"] * np.float32(2)),
    "a centre far away": lambda arrays: arrays.update(centre=np.full(128, 3e38, np.float32)),
    "long axes": lambda arrays: arrays.update(axes=arrays["axes"] * np.float32(1e7)),
    "more dimensions than features": lambda arrays: arrays.update(of_size(3, 129)),
    "more words than fit": lambda arrays: arrays.update(of_size(1025, 128)),
}


def test_forged_vocabularies_are_refused_or_learned_again(tmp_path):
    paths = [str(write_drawing(tmp_path / f"data/d{number // 4}/{number}.png", number, (90, 90))) for number in range(8)]
    words = {"DATASETS.ROOT": tmp_path / "data", "DATASETS.NAMES": ["Drawings"], "OUTPUT_DIR": tmp_path / "run"}
    words |= {"DESCRIPTOR.NAME": "sift_fisher", "DESCRIPTOR.VOCABULARY.WORDS": 3, "DESCRIPTOR.VOCABULARY.DIM": 4}
    words = [str(word) for pair in words.items() for word in pair]
    cfg = load_config(overrides=words)
    honest = load_vocabulary(cfg, 0)
    assert honest and paths
    file = tmp_path / "run/vocabulary.safetensors"
    whole = file.read_bytes()
    settings = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
    elsewhere = load_config(overrides=[*words, "MODEL.WEIGHTS", str(tmp_path / "given.safetensors")])
    (tmp_path / "given.safetensors").write_bytes(whole)
    assert load_vocabulary(elsewhere, 0).keys() == honest.keys()
    assert is_vocabulary(of_size(1024, 128)) and is_vocabulary(of_size(1000, 2))
    forged = [({**honest}, change, settings) for change in VOCABULARIES.values()]
    forged += [({**honest}, bool, {"vocabulary": text}) for text in ("[]", "3", "[" * 10**5)]
    for arrays, change, metadata in forged:
        change(arrays)
        for path in (file, tmp_path / "given.safetensors"):
            save_file(arrays, path, metadata)
        with pytest.raises(CheckpointError, match="given.safetensors holds no vocabulary of sift_fisher"):
            load_vocabulary(elsewhere, 0)
        again = load_vocabulary(cfg, 0)
        assert all(np.array_equal(again[name], values) for name, values in honest.items())
    for kind in ("FIFO", "zeros"):
        (tmp_path / "given.safetensors").unlink()
        NOT_FILES[kind](tmp_path / "given.safetensors")
        with pytest.raises(CheckpointError, match="holds no vocabulary"):
            load_vocabulary(elsewhere, 0)


@pytest.mark.parametrize("kind", ["FIFO", "zeros"])
def test_tables_and_digests_of_what_is_no_file(tmp_path, kind):
    for name in ("a.csv", "a.parquet"):
        NOT_FILES[kind](tmp_path / name)
        with pytest.raises(DataError, match="not a regular file"):
            column_names(tmp_path / name)
        with pytest.raises(OSError, match="not a regular file"):
            sha256_of(tmp_path / name)


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E8M0", "F4", "BF16", "C64"])
def test_a_vocabulary_of_a_type_that_numpy_lacks_is_none(kind, tmp_path):
    entry = {"dtype": kind, "shape": [8], "data_offsets": [0, {"C64": 64, "BF16": 16, "F4": 4}.get(kind, 8)]}
    header = json.dumps({"__metadata__": {"vocabulary": "{}"}, "means": entry}).encode()
    path = tmp_path / "vocabulary.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(entry["data_offsets"][1]))
    assert vocabulary._read(path, DESCRIPTORS.get("sift_fisher")) is None
