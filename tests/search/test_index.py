"""An index that is open: what it finds against NumPy, what readers see while it is replaced, and what damage does."""

import json
import os

import numpy as np
import pyarrow
import pytest
from pyarrow.parquet import read_table, write_table

from fastpatent.errors import DataError
from fastpatent.search import index as opened
from fastpatent.search import nearest
from fastpatent.search.build import report_recall
from fastpatent.search.generation import Drawing, Facts, one_batch, write_generation
from fastpatent.search.index import open_index
from fastpatent.search.layout import SCHEMA, generation_folder

NETWORK = {"digest": "0" * 64, "config": {}, "texts": False}


class Store:
    """Vectors of length 1, and a thumbnail that tells its row."""

    def __init__(self, vectors):
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def thumbnail(self, row):
        return b"png of %d" % row


def write(folder, vectors, patents=5, **options):
    """Write a generation of drawings that are shuffled over some patents; return the vectors in the index's order."""
    folder.mkdir(exist_ok=True)
    store = Store(vectors.astype(np.float32))
    drawings = [
        Drawing(f"/d/{row:06d}.png", Facts(f"p{row * 7 % patents:04d}", f"title {row}"), row, row, b"d%d" % row, store, row)
        for row in range(len(vectors))
    ]
    write_generation(folder, drawings, {}, NETWORK, ["/d"], **options)
    order = sorted(range(len(vectors)), key=lambda row: (row * 7 % patents, row))
    return store.vectors[order], order


def brute(vectors, queries, k, rows):
    """Rows and cosines of the k nearest, in float64, ties to the lower row."""
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    products = queries.astype(np.float64) @ vectors[rows].astype(np.float64).T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, order, 1), rows[order]


@pytest.fixture(scope="module")
def vectors():
    """30 drawings of 8 dimensions, of which some are equal."""
    found = np.random.default_rng(0).standard_normal((30, 8))
    found[[4, 11, 25]] = found[3]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_nearest_are_those_of_numpy(tmp_path, vectors, monkeypatch, dtype, place):
    if place and dtype == "float16":
        pytest.skip("vectors in Milvus are float32")
    monkeypatch.setattr(nearest, "BLOCK_BYTES", 7 * 8 * 4)  # several blocks of rows, and of queries
    monkeypatch.setattr(nearest, "MOST_SCORES", 70)
    write(tmp_path / "i", vectors, dtype=dtype, place=place)
    index = open_index(tmp_path / "i")
    queries = np.random.default_rng(1).standard_normal((6, 8)) * 9
    every = np.arange(30)
    for rows in (None, every % 4 == 0, every != 4, np.array([7, 2, 2, 29]), every < 0, np.array([5])):
        chosen = every if rows is None else every[rows] if rows.dtype == bool else np.unique(rows)
        for k in (1, 4, 100):
            scores, found = index.search(queries, k, rows)
            expected, places = brute(np.asarray(index.vectors, np.float64), queries, k, chosen)
            assert found.dtype == np.int64 and (found == places).all()
            np.testing.assert_allclose(scores, expected, atol=1e-6)
    rows = np.array([9, 3, 9])
    np.testing.assert_allclose(index.cosines(queries, rows)[:, 0], index.cosines(queries)[:, 9], atol=1e-6)


def test_rows_are_the_drawings_in_order_of_patents(tmp_path, vectors, place):
    expected, order = write(tmp_path / "i", vectors, place=place)
    index = open_index(tmp_path / "i")
    np.testing.assert_allclose(index.vectors, expected, atol=1e-7)
    assert index.patents == [f"p{number:04d}" for number in range(5)] and len(index) == 30
    for row, source in enumerate(order):
        assert index.path(row) == f"/d/{source:06d}.png" and index.thumbnail(row) == b"png of %d" % source
        assert index.drawings["title"][row].as_py() == f"title {source}"
        assert row in index.rows_of(index.patents[index.patent_of[row]]) and index.patent_of[row] == source * 7 % 5
    assert not len(index.rows_of("p")) and not len(index.rows_of("z")) and len(index.rows_of("p0004")) == 6
    cosines = [
        float(expected[a].astype(np.float64) @ expected[b]) for a in range(30) for b in range(a)
        if index.patent_of[a] != index.patent_of[b]
    ]  # fmt: skip
    np.testing.assert_allclose(index.random, sorted(cosines), atol=1e-6)


@pytest.mark.parametrize(
    "queries, k, rows, message",
    [
        (np.ones((1, 7)), 1, None, "queries have 7 dimensions and .* 8"),
        (np.full((1, 8), np.nan), 1, None, "NaN"),
        (np.ones((1, 8)), 0, None, "k must be at least 1"),
        (np.ones((1, 8)), 1, np.ones(29, bool), "one value a drawing"),
        (np.ones((1, 8)), 1, np.array([30]), "rows 0 to 29"),
    ],
)
def test_wrong_questions(tmp_path, vectors, queries, k, rows, message, place):
    write(tmp_path / "i", vectors, place=place)
    with pytest.raises(DataError, match=message):
        open_index(tmp_path / "i").search(queries, k, rows)


def test_an_index_of_an_older_version_has_no_codes(tmp_path, vectors):
    write(tmp_path / "i", vectors)
    new = open_index(tmp_path / "i")
    files = {name: state for name, state in new.manifest["files"].items() if "code" not in name}
    assert len(files) == len(new.manifest["files"]) - 2
    change_manifest(tmp_path / "i", files=files)
    for name in ("codes.npy", "code_scales.npy"):
        (generation_folder(tmp_path / "i", 1) / name).unlink()
    old = open_index(tmp_path / "i")
    for found, expected in zip(old.search(vectors[:4], 12), new.search(vectors[:4], 12)):
        assert np.array_equal(found, expected)


def test_readers_have_one_generation_and_the_last_two_stay(tmp_path, vectors, place):
    folder = tmp_path / "i"
    generations = []
    for count in (10, 20, 30):
        write(folder, vectors[:count], place=place)
        generations.append(open_index(folder))
    assert [len(index) for index in generations] == [10, 20, 30] and [g.generation for g in generations] == [1, 2, 3]
    assert sorted(os.listdir(folder / "generations")) == ["2", "3"]
    assert generations[0].thumbnail(9)  # its files are open
    if place:
        with pytest.raises(DataError, match="has no collection fastpatent_.*; open the index again if it was renewed"):
            generations[0].search(vectors[:1], 99)
    for number, index in enumerate(generations[bool(place) :], bool(place)):
        assert len(index.search(vectors[:1], 99)[1][0]) == 10 * (number + 1)


def test_a_reader_that_is_overtaken_opens_the_newer_generation(tmp_path, vectors, monkeypatch):
    folder = tmp_path / "i"
    write(folder, vectors[:10])
    first = opened.read_manifest(folder)
    for _ in range(2):
        write(folder, vectors)
    manifests = iter([first, opened.read_manifest(folder), opened.read_manifest(folder)])
    monkeypatch.setattr(opened, "read_manifest", lambda _: next(manifests))
    assert len(open_index(folder)) == 30


def change_manifest(folder, **values):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | values))


def damage(name, do):
    return lambda folder: do(generation_folder(folder, 1) / name)


def forge(folder, name, change):
    """Change a file of the first generation, and its size in the manifest with it."""
    path = generation_folder(folder, 1) / name
    change(path)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    if name == "drawings.parquet":
        del files["drawings.arrow"]  # as of an older version
    files[name]["bytes"] = path.stat().st_size
    change_manifest(folder, files=files)


def drawings(**values):
    """A function of a path that gives every drawing of a table another value."""

    def write(path):
        table = read_table(path)
        for name, value in values.items():
            place = table.schema.get_field_index(name)
            kind = SCHEMA.field(name).type
            table = table.set_column(place, SCHEMA.field(name), pyarrow.array([value] * len(table), kind))
        write_table(table, path)

    return write


def not_utf8(path):
    table = read_table(path)
    title = pyarrow.array([b"\xff"] * len(table)).view(pyarrow.string())
    write_table(table.set_column(table.schema.get_field_index("title"), "title", title), path)


def arrow(change):
    """A function of a path that changes a table, and writes it as it is in memory."""

    def write(path):
        with pyarrow.OSFile(str(path)) as file:
            table = change(pyarrow.ipc.open_file(file).read_all())
        with pyarrow.OSFile(str(path), "w") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    return write


def pretend(table):
    """One of the titles ends far behind the file."""
    count = len(table)
    ends = np.zeros(count + 1, np.int32)
    ends[3] = 2**30
    ends = pyarrow.py_buffer(ends.tobytes())
    titles = pyarrow.StringArray.from_buffers(count, ends, pyarrow.py_buffer(b"x"))
    return table.set_column(table.schema.get_field_index("title"), "title", titles)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "name, do, message",
    [
        ("drawings.parquet", drawings(patent=None), "a value is missing"),
        ("drawings.parquet", drawings(classes=[None]), "a value is missing"),
        ("drawings.parquet", drawings(patent="p"), "not in the order of the patents"),
        ("drawings.parquet", drawings(date=3_000_000), "a date is of no year"),
        ("drawings.parquet", drawings(path=b"/a\0b"), "a path has a zero byte"),
        ("drawings.parquet", drawings(thumbnail_end=7), "not those of the drawings"),
        ("drawings.parquet", drawings(figure=[1, 2, 3]), "a figure has no box"),
        ("drawings.parquet", drawings(figure=[1, 2, 3, None, 0]), "a value is missing"),
        ("drawings.parquet", drawings(figure=[1, 2, -3, 4, 0]), "a figure is outside of its sheet"),
        ("drawings.parquet", not_utf8, "cannot be read as Parquet: .*UTF8"),
        (
            "drawings.parquet",
            lambda path: pyarrow.parquet.write_table(pyarrow.table({"a": [1] * 30}), path),
            "other columns",
        ),
        ("drawings.arrow", arrow(lambda table: table.slice(1)), "it has 29 drawings and not 30"),
        ("drawings.arrow", arrow(lambda table: table.drop_columns("title")), "other columns"),
        ("drawings.arrow", arrow(pretend), "cannot be read as Arrow"),
        ("drawings.arrow", fifo, "no regular file"),
        ("vectors.npy", lambda path: np.save(path, np.zeros((30, 7), np.float32)), "not those of the manifest"),
        ("vectors.npy", lambda path: np.save(path, np.zeros((30, 8))), "not those of the manifest"),
        ("vectors.npy", lambda path: np.save(path, np.array([{}])), "no header of an array"),
        ("random_cosines.npy", lambda path: np.save(path, np.zeros((2, 2))), "it has no cosines"),
        ("codes.npy", lambda path: np.save(path, np.zeros((30, 7), np.int8)), "its codes are not those of the vectors"),
        ("code_scales.npy", lambda path: np.save(path, np.zeros((30, 2))), "its codes are not those of the vectors"),
        ("thumbnails.bin", fifo, "no regular file"),
        ("thumbnails.bin", lambda path: path.write_bytes(b""), "it is empty"),
    ],
)
def test_files_that_were_made_to_fit_their_manifest(tmp_path, vectors, name, do, message):
    write(tmp_path / "i", vectors)
    forge(tmp_path / "i", name, do)
    with pytest.raises(DataError, match=message):
        open_index(tmp_path / "i")


def test_an_index_of_version_1_has_whole_sheets(tmp_path, vectors):
    expected = write(tmp_path / "i", vectors)[0]
    forge(tmp_path / "i", "drawings.parquet", lambda path: write_table(read_table(path).drop_columns("figure"), path))
    manifest = json.loads((tmp_path / "i/manifest.json").read_text())
    del manifest["figures"]
    (tmp_path / "i/manifest.json").write_text(json.dumps(manifest | {"version": 1}))
    index = open_index(tmp_path / "i")
    np.testing.assert_array_equal(index.vectors, expected)
    assert index.drawings.schema == SCHEMA and not index.manifest["figures"]
    assert [index.figure(row) for row in range(30)] == [None] * 30


def test_a_table_of_more_than_arrow_can_count_is_refused():
    paths = pyarrow.array([b"a" * 2**20])
    more = pyarrow.table({"size": [0] * 2048, "path": pyarrow.chunked_array([paths] * 2048)})  # one buffer, many times
    few = more[:3]
    assert one_batch(few).equals(few) and one_batch(few)["path"].num_chunks == 1
    with pytest.raises(DataError, match="2,048 drawings are too many for one index, whose path may take 2 GiB"):
        one_batch(more)


def test_vectors_that_are_no_numbers_come_last(tmp_path, vectors):
    write(tmp_path / "i", vectors)
    stored = np.load(generation_folder(tmp_path / "i", 1) / "vectors.npy", mmap_mode="r+")
    stored[[3, 8]] = np.nan
    stored.flush()
    scores, rows = open_index(tmp_path / "i").search(vectors[:2], 30)
    assert set(rows[0, -2:]) == {3, 8} and np.isneginf(scores[:, -2:]).all() and np.isfinite(scores[:, :-2]).all()


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda folder: (folder / "manifest.json").unlink(), "is no index"),
        (lambda folder: ((folder / "manifest.json").unlink(), (folder / "shards").mkdir()), "is not finished"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: is damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "manifest.json: is damaged"),
        (lambda folder: change_manifest(folder, version=3), "written by a newer fastpatent, as format 3"),
        (lambda folder: change_manifest(folder, format="x"), "no manifest of an index"),
        (lambda folder: change_manifest(folder, drawings=29), "it has 30 drawings and not 29"),
        (lambda folder: change_manifest(folder, patents=4), "not in the order of the patents"),
        (lambda folder: change_manifest(folder, dim=-1), "dim is no count"),
        (lambda folder: change_manifest(folder, kind="new"), "its kind is unknown"),
        (lambda folder: change_manifest(folder, kind="hnsw"), "it lacks neighbours.faiss"),
        (lambda folder: change_manifest(folder, files={"../x": {"bytes": 1, "sha256": ""}}), "not those of a generation"),
        (lambda folder: change_manifest(folder, network=None), "network is no dict"),
        (lambda folder: change_manifest(folder, network={"digest": 1}), "is damaged"),
        (lambda folder: change_manifest(folder, recall={"x": 1}), "is damaged"),
        (lambda folder: change_manifest(folder, effort=2**70), "effort is no count"),
        (damage("vectors.npy", lambda path: path.unlink()), "vectors.npy: is missing"),
        (damage("vectors.npy", lambda path: os.truncate(path, 500)), "it has 500 bytes"),
        (damage("vectors.npy", lambda path: path.write_bytes(b"x" * path.stat().st_size)), "no header of an array"),
        (
            damage("drawings.arrow", lambda path: path.write_bytes(b"x" * path.stat().st_size)),
            "drawings.arrow: cannot be read as Arrow",
        ),
    ],
)
def test_what_is_no_whole_index_is_one_sentence(tmp_path, vectors, harm, message):
    write(tmp_path / "i", vectors)
    harm(tmp_path / "i")
    with pytest.raises(DataError, match=message):
        open_index(tmp_path / "i")


@pytest.fixture(scope="module")
def many():
    """10,000 drawings of 12 dimensions in 500 groups, as designs have several drawings."""
    generator = np.random.default_rng(2)
    return np.repeat(generator.standard_normal((500, 12)), 20, axis=0) + generator.standard_normal((10_000, 12)) / 5


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_approximate_kinds_find_nearly_all_and_never_fewer(tmp_path, many, monkeypatch, kind):
    monkeypatch.setattr(nearest, "MOST_CODE", 3)  # FAISS trains each byte for a second
    write(tmp_path / "i", many, patents=500, kind=kind)
    index = open_index(tmp_path / "i")
    recall = index.manifest["recall"]
    assert set(recall) == {"1", "0.1", "0.01"} and min(recall.values()) >= 0.95 and index.manifest["effort"] >= 32
    generator = np.random.default_rng(3)
    queries = many[generator.permutation(10_000)[:50]] + generator.standard_normal((50, 12)) / 9
    monkeypatch.setattr(opened, "MOST_EXACT", 0)
    vectors, every = np.asarray(index.vectors, np.float64), np.arange(10_000)
    for rows in (every, every[every % 100 == 3], np.array([5, 77, 9000])):
        scores, found = index.search(queries, 10, None if rows is every else rows)
        expected, places = brute(vectors, queries, 10, rows)
        assert found.shape == places.shape and np.isin(found, rows).all()
        assert np.mean([np.isin(*pair).mean() for pair in zip(places, found)]) >= 0.9
        assert all(len(set(row)) == len(row) for row in found.tolist()) and (np.diff(scores) <= 0).all()
        own = np.einsum("qkd,qd->qk", vectors[found], queries / np.linalg.norm(queries, axis=1, keepdims=True))
        np.testing.assert_allclose(scores, own, atol=1e-5)
    monkeypatch.setattr(opened, "MOST_EXACT", 200)
    assert (index.search(queries, 10, every % 100 == 3)[1] == brute(vectors, queries, 10, every[every % 100 == 3])[1]).all()
    path = generation_folder(tmp_path / "i", 1) / "neighbours.faiss"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DataError, match="neighbours.faiss: is damaged"):
        open_index(tmp_path / "i").search(queries, 1)


def test_little_recall_is_a_warning(caplog):
    caplog.set_level(0)
    report_recall({"kind": "ivfpq", "recall": {"1": 0.96, "0.01": 0.9}})
    report_recall({"kind": "hnsw", "recall": {"1": 0.96, "0.01": 1.0}})
    report_recall({"kind": "flat", "recall": {}})
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in levels] == ["WARNING", "INFO"]
    assert "0.960 of 100% of the drawings, 0.900 of 1% of the drawings; below 0.95" in levels[0][1]
