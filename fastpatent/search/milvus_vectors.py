"""The vectors of a generation whose collection is in Milvus, in place of an array; and how a generation gets them.

Entities are never changed. Each row of an index has the key of its vector (keys.npy), and keys ascend from generation to
generation: what is found beside the keys of a generation, of others or of a killed build, is no answer. The next build
removes what a killed one has left. What a generation no longer uses stands in its retired.json, and is removed when the one
before it is no longer there.
"""

import json
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fastpatent.errors import DataError
from fastpatent.files import read_regular, write_atomically
from fastpatent.search import nearest
from fastpatent.search.layout import FLAT, KEYS, MANIFEST, RETIRED, SHARDS, generation_folder, read_manifest, save_array
from fastpatent.search.milvus import BATCH, LIMIT, Collection, Place, trusted

if TYPE_CHECKING:
    from fastpatent.search.generation import Drawing

FEW = 256  # rows whose vectors are fetched and compared here, without a search
LISTED = 50_000  # rows of a filter that Milvus gets as a list of keys; of larger filters more is asked for and sorted out
MORE = 16  # answers beyond those that are wanted, among which it shows whether several tie for the last place
CANDIDATES = 10  # times those that are wanted: of the approximate kinds
NEAR = 1e-5  # by which a score of Milvus may differ from the cosine
MOST_RETIRED = 2**31  # bytes of retired.json
NAME = "collection"  # file in SHARDS with the name of a collection that is being filled


class MilvusVectors:
    """Vectors float32 [drawings, dim], which are fetched when they are asked for by row, rows or slice.

    Attributes:
        collection: in Milvus.
        keys: int64 [drawings]; files of the same bytes have the same.
        shape, dtype: as of an array.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, collection: Collection, keys: np.ndarray, dim: int, kind: str) -> None:
        self.collection, self.keys, self.shape, self._kind = collection, keys, (len(keys), dim), kind
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: Any) -> np.ndarray:
        wanted = self.keys[rows]
        keys, places = np.unique(wanted, return_inverse=True)
        return self.collection.fetch(keys, self.shape[1])[places.ravel()].reshape(*wanted.shape, -1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def cosines(self, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return float32 [queries, rows]; arguments as of `fastpatent.search.nearest.cosines`."""
        rows = np.arange(len(self)) if rows is None else rows
        found = np.empty((len(queries), len(rows)), np.float32)
        for start in range(0, len(rows), BATCH):
            block = slice(start, start + BATCH)
            found[:, block] = nearest.cosines(queries, torch.from_numpy(self[rows[block]])).numpy()
        return found

    def search(self, queries: np.ndarray, k: int, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (cosines float32, rows int64), [queries, min(k, rows)], best first; ties go to the lower row.

        Milvus finds candidates, whose vectors are fetched and compared exactly. A collection of kind flat gives the answer
        of all pairs; there are never fewer than k where k exist.

        Args:
            queries: float32 [queries, dim], of length 1.
            k: how many.
            rows: int64, ascending: only these are found; None: all.
        """
        every = np.arange(len(self)) if rows is None else rows
        k = min(k, len(every))
        scores, places = np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
        for number, query in enumerate(queries if k else ()):
            among = every if len(every) <= FEW else self._candidates(query, k, rows)
            among = every if among is None else among
            cosines = self.cosines(query[None], among)[0]
            best = np.argsort(-cosines, kind="stable")[:k]
            scores[number], places[number] = cosines[best], among[best]
        return scores, places

    def _candidates(self, query: np.ndarray, k: int, rows: np.ndarray | None) -> np.ndarray | None:
        """Return rows, ascending, that have the k nearest among them; None where Milvus does not give as many."""
        where, limit = "", k + MORE if self._kind == FLAT else CANDIDATES * k
        if rows is not None and len(rows) <= LISTED:
            where = f"key in {np.unique(self.keys[rows]).tolist()}"
        elif rows is not None:
            limit = limit * len(self) // len(rows)
        while True:
            limit = min(limit, LIMIT)
            keys, scores = self.collection.search(query, limit, self._kind, where)
            found, answers = self._rows(keys)
            if rows is not None:
                passed = rows[np.searchsorted(rows, found).clip(max=len(rows) - 1)] == found
                found, answers = found[passed], answers[passed]
            last = -np.inf if len(keys) < limit else scores[-1] + NEAR  # nearer ones were all given
            if np.count_nonzero(scores[answers] > last) >= k:
                return np.sort(found)
            if len(keys) < limit or limit == LIMIT:
                return np.sort(found) if len(found) >= k else None
            limit *= 2

    def _rows(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, the place in `keys` of the key of each); of some keys there is none."""
        first, last = (np.searchsorted(self._sorted, keys, side) for side in ("left", "right"))
        counts = last - first
        answers = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._order[first[answers] + within], answers


def vectors_in_milvus(manifest: dict[str, Any], keys: np.ndarray) -> MilvusVectors:
    """Return the vectors that a manifest names; DataError where Milvus does not have them."""
    collection = collection_of(manifest)
    collection.check(manifest["dim"])
    return MilvusVectors(collection, keys, manifest["dim"], manifest["kind"])


def collection_of(manifest: dict[str, Any]) -> Collection:
    """Return the collection that a manifest names."""
    return Collection(trusted(manifest["milvus"]["uri"]), manifest["milvus"]["collection"])


def place_of(manifest: dict[str, Any]) -> Place | None:
    """Return where the vectors of an index are in Milvus; None where they are in its folder."""
    state = manifest["milvus"]
    return Place(**{name: state[name] for name in Place._fields}) if state else None


def insert_vectors(
    folder: str | os.PathLike[str], made: Path, drawings: Sequence["Drawing"], kind: str, place: Place
) -> tuple[MilvusVectors, dict[str, Any]]:
    """Put vectors of drawings into Milvus that are not there, and write keys.npy; for the one writer.

    Args:
        folder: of the index.
        made: folder of the new generation.
        drawings: in their order.
        kind: of KINDS.
        place: see `Place`.

    Returns:
        (vectors, what the manifest has of them).
    """
    stores = {id(drawing.store): drawing.store for drawing in drawings}
    placed = {number: found for number, store in stores.items() if isinstance(found := store.vectors, MilvusVectors)}
    dim = drawings[0].store.vectors.shape[1]
    collection, first = _collection(folder, placed.values(), dim, kind, place)
    keys_of = {number: found.keys for number, found in placed.items() if found.collection == collection}
    known: dict[tuple[int, int], int] = {}
    new: list[Drawing] = []
    keys = np.empty(len(drawings), np.int64)
    for number, drawing in enumerate(drawings):
        source = id(drawing.store), drawing.row
        if source[0] in keys_of:
            keys[number] = keys_of[source[0]][drawing.row]
            continue
        keys[number] = known.setdefault(source, first + len(new))
        if keys[number] == first + len(new):
            new.append(drawing)
    for start in range(0, len(new), BATCH):
        block = new[start : start + BATCH]
        collection.insert(np.arange(first + start, first + start + len(block)), gathered(block))
    if new:
        collection.flush()
    write_atomically(made / KEYS, lambda temporary: save_array(temporary, keys))
    state = {**place._asdict(), "collection": collection.name, "next": first + len(new)}
    return MilvusVectors(collection, keys, dim, kind), state


def write_retired(folder: str | os.PathLike[str], made: Path, name: str) -> None:
    """Write which entities the current generation has, and a new one, whose collection is `name`, has not."""
    manifest = _current(folder)
    if not (manifest and manifest["milvus"]):
        return
    state, keys = manifest["milvus"], None  # the whole collection
    if state["collection"] == name:
        old = _load(generation_folder(folder, manifest["generation"]) / KEYS)
        keys = np.setdiff1d(old, _load(made / KEYS)).tolist()
    text = json.dumps({"uri": state["uri"], "collection": state["collection"], "keys": keys})
    write_atomically(made / RETIRED, lambda temporary: temporary.write_text(text))


def remove_retired(folder: str | os.PathLike[str]) -> None:
    """Remove from Milvus what only generations before the last one had; again is no error. For the one writer."""
    manifest = _current(folder)
    path = generation_folder(folder, manifest["generation"] - 1) / RETIRED if manifest else Path()
    if not path.is_file():
        return
    try:
        state = json.loads(read_regular(path, MOST_RETIRED))
        collection, keys = Collection(trusted(state["uri"]), state["collection"]), state["keys"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is damaged or no list of what was retired") from error
    if keys is None:
        collection.drop()
    elif keys:
        collection.delete(np.array(keys, np.int64))


def gathered(drawings: Sequence["Drawing"]) -> np.ndarray:
    """Return the vectors of drawings, [drawings, dim], float32; from each store they are read in one step."""
    found = np.empty((len(drawings), drawings[0].store.vectors.shape[1]), np.float32)
    by_store: dict[int, list[int]] = {}
    for place, drawing in enumerate(drawings):
        by_store.setdefault(id(drawing.store), []).append(place)
    for places in by_store.values():
        rows = np.array([drawings[place].row for place in places])
        found[places] = drawings[places[0]].store.vectors[rows]
    return found


def _collection(
    folder: str | os.PathLike[str], placed: Iterable[MilvusVectors], dim: int, kind: str, place: Place
) -> tuple[Collection, int]:
    """Return the collection of a generation and its next key: the current one where vectors are of it, else a new one."""
    manifest = _current(folder)
    if manifest and manifest["milvus"] and (manifest["milvus"]["uri"], manifest["kind"]) == (place.uri, kind):
        collection, first = collection_of(manifest), manifest["milvus"]["next"]
        if any(vectors.collection == collection for vectors in placed):
            collection.delete_from(first)
            return collection, first
    path = Path(folder) / SHARDS / NAME
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or (manifest and path.read_text() == manifest["milvus"].get("collection")):
        write_atomically(path, lambda temporary: temporary.write_text(f"{place.prefix}_{uuid.uuid4().hex[:12]}"))
    collection = Collection(place.uri, path.read_text())
    collection.create(dim, kind, place)
    return collection, 0


def _current(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    return read_manifest(folder) if (Path(folder) / MANIFEST).exists() else None


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is damaged: it has no keys") from error
