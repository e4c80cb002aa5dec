"""An index whose vectors are in Milvus: what is there after changes, and what is said when Milvus is not.

That it answers as an index of files does is tested where that is tested.
"""

import json
import re
import socket

import numpy as np
import pytest

from fastpatent.commands import main
from fastpatent.errors import DataError
from fastpatent.search import milvus as client
from fastpatent.search import milvus_vectors
from fastpatent.search.generation import Drawing, Facts, write_generation
from fastpatent.search.index import open_index
from fastpatent.search.layout import generation_folder
from fastpatent.search.milvus import Collection, Place, Unreachable
from fastpatent.search.milvus_vectors import collection_of
from tests.search.test_index import brute
from tests.small_index import Store, write_index

NETWORK = {"digest": "0" * 64, "config": {}, "texts": False}


@pytest.fixture
def searched(milvus, monkeypatch):
    """A place in Milvus that searches however few the drawings are."""
    monkeypatch.setattr(milvus_vectors, "FEW", 0)
    return Place(milvus)


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)


def index_of(folder, vectors, place, **options):
    return write_index(folder, vectors, [f"p{row // 4:02d}" for row in range(len(vectors))], place=place, **options)


def stored(collection):
    """The keys of all entities."""
    return sorted(collection.search(np.ones(8, np.float32), client.LIMIT, "flat")[0].tolist())


def test_only_what_the_last_two_generations_use_stays(tmp_path, milvus, vectors):
    index = index_of(tmp_path / "i", vectors[:12], Place(milvus))
    folder, collection = tmp_path / "i", index.vectors.collection
    new = Store(vectors[12:])

    def change(index, rows, added):
        """A generation of some rows of an index and some new drawings."""
        paths = [index.path(row) for row in rows]
        drawings = [Drawing(path, Facts("p"), 1, 1, b"d", index, row) for path, row in zip(paths, rows)]
        drawings += [Drawing(f"/n/{row}{copy}", Facts("q"), 1, 1, b"d", new, row) for row in added for copy in "ab"]
        write_generation(folder, drawings, {}, NETWORK, ["/d"], place=Place(milvus))
        return open_index(folder)

    second = change(index, range(3, 12), [0, 1])
    assert second.vectors.keys.tolist() == [*range(3, 12), 12, 12, 13, 13] and stored(collection) == [*range(14)]
    np.testing.assert_allclose(second.vectors[9:], new.vectors[[0, 0, 1, 1]], atol=1e-7)
    assert (index.search(vectors[:1], 3)[1] == brute(index.vectors, vectors[:1], 3, np.arange(12))[1]).all()
    collection.insert(np.array([14, 15]), new.vectors[:2])  # of a build that was killed
    assert len(second.search(vectors[:1], 99)[1][0]) == 13
    third = change(second, range(2, 13), [7])
    assert stored(collection) == [*range(3, 15)]  # 0 to 2 were of the first alone
    np.testing.assert_allclose(third.vectors[11], new.vectors[7], atol=1e-7)
    fourth = change(third, range(11), [])
    assert stored(collection) == [*range(5, 15)] and not (generation_folder(folder, 4) / "vectors.npy").exists()
    assert len(fourth.search(vectors[:1], 99)[1][0]) == 11
    to_files = write_index(folder, vectors, ["p"] * 40)
    assert stored(collection) == [*range(5, 14)] and isinstance(to_files.vectors, np.ndarray)
    write_index(folder, vectors, ["p"] * 40)
    with pytest.raises(DataError, match="has no collection"):
        stored(collection)


def test_answers_are_exact_however_little_milvus_gives(tmp_path, searched, vectors, monkeypatch):
    vectors[20:35] = vectors[20]  # many tie
    index = index_of(tmp_path / "i", vectors, searched)
    exact = np.asarray(index.vectors, np.float64)
    half = np.arange(0, 40, 2)
    asked = []
    search = Collection.search
    monkeypatch.setattr(Collection, "search", lambda self, *rest: asked.append(rest[1:]) or search(self, *rest))
    for limit, listed in ((client.LIMIT, 100), (client.LIMIT, 0), (3, 100), (3, 0)):
        monkeypatch.setattr(milvus_vectors, "LIMIT", limit)
        monkeypatch.setattr(milvus_vectors, "LISTED", listed)
        monkeypatch.setattr(milvus_vectors, "MORE", 1)
        for k in (4, 30):
            for rows in (None, half):
                if limit == 3 and k == 4 and rows is None:
                    continue  # of a tie that Milvus cuts any are given
                found, places = index.search(vectors[[20, 1]], k, rows)
                expected, true = brute(exact, vectors[[20, 1]], k, np.arange(40) if rows is None else rows)
                assert (places == true).all()
                np.testing.assert_allclose(found, expected, atol=1e-6)
    assert {limit for limit, *_ in asked} >= {5, 10, 20} and any(where for *_, where in asked)


def test_an_approximate_kind_is_compared_exactly(tmp_path, searched):
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((600, 8)).astype(np.float32)
    index = index_of(tmp_path / "i", vectors, searched, kind="hnsw")
    assert index.manifest["effort"] == client.EFFORTS["hnsw"] and not index.manifest["recall"]
    found, places = index.search(vectors[:20], 10)
    expected, true = brute(np.asarray(index.vectors, np.float64), vectors[:20], 10, np.arange(600))
    assert np.mean([np.isin(*pair).mean() for pair in zip(true, places)]) >= 0.95
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=1e-6)


def test_a_place_that_does_not_answer_is_a_sentence(tmp_path, milvus, vectors, monkeypatch, caplog, capfd):
    monkeypatch.setattr(client, "WAITS", (0.01, 0.02))
    monkeypatch.setattr(client, "CONNECTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
    index = index_of(tmp_path / "i", vectors, Place(milvus))
    index.vectors.collection.uri = away  # it went away after the index was opened
    with pytest.raises(Unreachable, match=f"^{away}: Milvus does not answer: "):
        index.search(vectors[:1], 3)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("fastpatent")] == [
        f"{away}: Milvus does not answer; it is asked again in {wait:g} s" for wait in client.WAITS
    ]
    monkeypatch.setenv(client.ADDRESS, away)
    for words in (["search", str(tmp_path / "i"), "p01"], ["index", "info", str(tmp_path / "i")]):
        assert main(words) == 1
        err = capfd.readouterr().err
        assert err.splitlines()[-1].startswith(f"error: {away}: Milvus does not answer: ") and "Traceback" not in err
    monkeypatch.delenv(client.ADDRESS)
    tries = []

    def flaky(uri):
        tries.append(uri)
        if len(tries) < 3:
            raise client._pymilvus().MilvusException(2, "away")
        return real(uri)

    real = client._client
    flaky.cache_clear = real.cache_clear
    monkeypatch.setattr(client, "_client", flaky)
    assert len(open_index(tmp_path / "i").search(vectors[:1], 3)[1][0]) == 3 and len(tries) > 3


def test_another_collection_is_a_sentence(tmp_path, milvus, vectors):
    index = index_of(tmp_path / "i", vectors, Place(milvus))
    collection, path = collection_of(index.manifest), tmp_path / "i/manifest.json"
    collection.drop()
    with pytest.raises(DataError, match=f"has no collection {collection.name}; open the index again if"):
        open_index(tmp_path / "i")
    collection.create(7, "flat", Place(milvus))
    with pytest.raises(DataError, match=f"the collection {collection.name} is not of vectors of 8 dimensions"):
        open_index(tmp_path / "i")
    collection.create(8, "flat", Place(milvus))
    with pytest.raises(DataError, match="lacks vectors of the index"):
        open_index(tmp_path / "i").search(vectors[:1], 3)
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"milvus": {"uri": milvus}}))
    with pytest.raises(DataError, match="manifest.json: is damaged"):
        open_index(tmp_path / "i")


def test_a_token_is_sent_and_written_nowhere(tmp_path, milvus, vectors, monkeypatch):
    sent, real = [], client._pymilvus().MilvusClient

    class Recorded(real):
        def __init__(self, uri, **options):
            sent.append(options["token"])
            super().__init__(uri, **options)

    monkeypatch.setattr(client._pymilvus(), "MilvusClient", Recorded)
    monkeypatch.setenv(client.TOKEN, "root:secret")
    for address in ("", milvus):  # it is sent where the environment says, not where an index says
        monkeypatch.setenv(client.ADDRESS, address)
        client._client.cache_clear()
        index_of(tmp_path / "i", vectors, Place(milvus))
    assert sent == ["", "root:secret"]
    assert not [path for path in (tmp_path / "i").rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_an_index_does_not_choose_where_queries_are_sent(tmp_path, milvus, vectors, monkeypatch, capfd):
    index_of(tmp_path / "i", vectors, Place(milvus))
    path = tmp_path / "i/manifest.json"
    path.write_text(path.read_text().replace(milvus, "http://elsewhere.example:19530"))
    for words in (["search", str(tmp_path / "i"), "p01"], ["index", "remove", str(tmp_path / "i"), "p01"]):
        assert main(words) == 1
        assert "in Milvus, http://elsewhere.example:19530; set FASTPATENT_MILVUS_URI to it if" in capfd.readouterr().err
    monkeypatch.setenv(client.ADDRESS, milvus)  # as where a server has moved
    assert main(["search", str(tmp_path / "i"), "p01"]) == 0


def test_a_file_of_milvus_lite_does_too(tmp_path, vectors, monkeypatch):
    pytest.importorskip("milvus_lite")
    monkeypatch.setenv(client.ADDRESS, str(tmp_path / "lite.db"))
    index = index_of(tmp_path / "i", vectors, Place(str(tmp_path / "lite.db")))
    assert (index.search(vectors[:3], 5)[1] == brute(index.vectors, vectors[:3], 5, np.arange(40))[1]).all()


@pytest.mark.parametrize(
    "settings, message",
    [
        (["SEARCH.BACKEND", "milvus"], "give its address, SEARCH.URI http://host:19530"),
        (["SEARCH.BACKEND", "milvus", "SEARCH.URI", "http://root:secret@host:1"], "SEARCH.URI: has a name and a password"),
        (["--dtype", "float16", "SEARCH.BACKEND", "milvus", "SEARCH.URI", "x.db"], "vectors in Milvus are float32"),
    ],
)
def test_wrong_settings(tmp_path, capfd, settings, message):
    words = ["index", "build", str(tmp_path), "--out", str(tmp_path / "i")]
    assert main([*words, *settings, "DESCRIPTOR.NAME", "pixels"]) == 1
    err = capfd.readouterr().err
    assert re.search(f"error: .*{message}", err) and "secret" not in err
