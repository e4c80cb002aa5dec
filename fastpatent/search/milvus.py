"""A collection of vectors in Milvus, which is asked again for a while where it does not answer.

An entity is a key and a vector of length 1, and is never changed: what a vector belongs to stands in the index (see
`fastpatent.search.milvus_vectors`).
"""

import importlib
import logging
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import numpy as np

from fastpatent.errors import DataError
from fastpatent.search.layout import FLAT, HNSW, IVFPQ
from fastpatent.text import short_line

ADDRESS = "FASTPATENT_MILVUS_URI"  # of the environment: who wrote an index does not choose where queries are sent
TOKEN = "FASTPATENT_MILVUS_TOKEN"  # of the environment, so that it is in no file and no list of processes; sent to ADDRESS
HERE = ("localhost", "127.0.0.1", "::1")  # trusted without ADDRESS
WAITS = (0.5, 1, 2, 4, 8)  # seconds between tries
TIMEOUT = 60  # seconds for one answer
CONNECTS = 5  # seconds for a connection
AWAY = {2, 8, 106, 503, 504}  # codes: no connection, too many requests, not loaded yet, a part is being moved
UNKNOWN = 100  # code: there is no such collection
ADVICE = "open the index again if it was renewed since, else restore the collection or build the index again"
BATCH = 1024  # vectors of a message, which may have 64 MiB
LIMIT = 16_384  # answers that Milvus gives at most
INDEXES = {
    FLAT: ("FLAT", {}),
    HNSW: ("HNSW", {"M": 32, "efConstruction": 200}),
    IVFPQ: ("IVF_PQ", {"nlist": 4096, "m": 32, "nbits": 8}),
}  # of the kinds, and their parameters
EFFORTS = {FLAT: 0, HNSW: 256, IVFPQ: 128}  # neighbours, or parts of 4,096, that a search visits
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)


class Unreachable(DataError):
    """Milvus does not answer, or is not asked."""


class Lacking(DataError):
    """The vectors of an index are not in Milvus, or not any more: it was renewed twice since it was opened."""


class Place(NamedTuple):
    """Where the vectors of a new index shall be.

    Attributes:
        uri: http://host:19530, or a file NAME.db of milvus-lite.
        prefix: of the collection's name.
        shards: parts that are written to in parallel.
        replicas: copies in memory that answer.
    """

    uri: str
    prefix: str = "fastpatent"
    shards: int = 1
    replicas: int = 1


class Collection:
    """A collection by its name; nothing is asked before a method is called.

    Every method raises `Unreachable` where Milvus does not answer in the sum of WAITS, `Lacking` where the collection is
    not there, and DataError where it refuses.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collection) and (self.uri, self.name) == (other.uri, other.name)

    def create(self, dim: int, kind: str, place: Place) -> None:
        """Make the collection, empty, in place of one that a killed build has left."""
        milvus = _pymilvus()
        schema = milvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", milvus.DataType.INT64, is_primary=True)
        schema.add_field("vector", milvus.DataType.FLOAT_VECTOR, dim=dim)
        index, parameters = INDEXES[kind]
        parts = next(parts for parts in range(min(dim, parameters.get("m", 1)), 0, -1) if dim % parts == 0)
        made = milvus.MilvusClient.prepare_index_params()
        made.add_index(
            "vector", index_type=index, metric_type="IP", params=parameters | ({"m": parts} if kind == IVFPQ else {})
        )
        self.drop()
        options = {"schema": schema, "num_shards": place.shards, "consistency_level": "Strong"}
        self._ask(lambda client: client.create_collection(self.name, **options, timeout=TIMEOUT))
        self._ask(lambda client: client.create_index(self.name, made, timeout=TIMEOUT))
        self._ask(lambda client: client.load_collection(self.name, replica_number=place.replicas, timeout=TIMEOUT))

    def check(self, dim: int) -> None:
        """Raise DataError where there is no such collection, or one of vectors of another length."""
        found = self._ask(lambda client: client.describe_collection(self.name, timeout=TIMEOUT))
        sizes = {field["name"]: field["params"].get("dim") for field in found["fields"]}
        if sizes.keys() != {"key", "vector"} or int(sizes["vector"]) != dim:
            raise DataError(f"{self.uri}: the collection {self.name} is not of vectors of {dim} dimensions, as the index is")

    def insert(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors float32 [keys, dim] by their int64 keys; a key that is there is replaced, so it may be done twice."""
        rows = [{"key": key, "vector": vector} for key, vector in zip(keys.tolist(), vectors)]
        self._ask(lambda client: client.upsert(self.name, rows, timeout=TIMEOUT))

    def flush(self) -> None:
        """Have Milvus write what was inserted, and make it quick to search; it is found before too."""
        self._ask(lambda client: client.flush(self.name, timeout=TIMEOUT))

    def fetch(self, keys: np.ndarray, dim: int) -> np.ndarray:
        """Return float32 [keys, dim] of int64 keys that ascend; Lacking where one is missing."""
        vectors = np.empty((len(keys), dim), np.float32)
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            listed = part.tolist()
            found = self._ask(lambda client: client.get(self.name, listed, ["vector"], timeout=TIMEOUT))  # noqa: B023
            places = np.searchsorted(part, [row["key"] for row in found])
            if len(found) != len(part):
                raise Lacking(f"{self.uri}: the collection {self.name} lacks vectors of the index; {ADVICE}")
            vectors[start + places] = [row["vector"] for row in found]
        return vectors

    def search(self, query: np.ndarray, limit: int, kind: str, where: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Return (keys int64, scores float32), up to `limit`, best first, among those that pass an expression of Milvus."""
        effort = {HNSW: {"ef": max(limit, EFFORTS[HNSW])}, IVFPQ: {"nprobe": EFFORTS[IVFPQ]}}.get(kind, {})
        options = {"search_params": {"metric_type": "IP", "params": effort}, "anns_field": "vector", "filter": where}
        (hits,) = self._ask(lambda client: client.search(self.name, [query], limit=limit, timeout=TIMEOUT, **options))
        return np.array([hit["key"] for hit in hits], np.int64), np.array([hit["distance"] for hit in hits], np.float32)

    def delete(self, keys: np.ndarray) -> None:
        """Remove entities; those that are not there are no error."""
        for start in range(0, len(keys), BATCH):
            listed = keys[start : start + BATCH].tolist()
            self._ask(lambda client: client.delete(self.name, ids=listed, timeout=TIMEOUT))  # noqa: B023

    def delete_from(self, key: int) -> None:
        """Remove all entities from a key on."""
        self._ask(lambda client: client.delete(self.name, filter=f"key >= {key}", timeout=TIMEOUT))

    def drop(self) -> None:
        """Remove the collection, where it is there."""
        self._ask(lambda client: client.drop_collection(self.name, timeout=TIMEOUT))

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        milvus, grpc = _pymilvus(), importlib.import_module("grpc")
        for wait in (*WAITS, None):
            try:
                return question(_client(self.uri))
            except (milvus.MilvusException, grpc.RpcError) as error:
                _client.cache_clear()
                code, message = getattr(error, "code", None), short_line(str(getattr(error, "message", error)))
                if code == UNKNOWN:
                    raise Lacking(f"{self.uri}: Milvus has no collection {self.name}; {ADVICE}") from error
                refused = isinstance(error, milvus.MilvusException) and code not in AWAY
                if refused and not isinstance(error, milvus.exceptions.ConnectionConfigException):
                    raise DataError(f"{self.uri}: Milvus refuses: {message}") from error
                if wait is None:
                    raise Unreachable(f"{self.uri}: Milvus does not answer: {message}") from error
            logger.warning(f"{self.uri}: Milvus does not answer; it is asked again in {wait:g} s")
            time.sleep(wait)
        raise AssertionError("the last try ends the loop")


def trusted(uri: str) -> str:
    """Return where an index that names an address is searched: at ADDRESS, else on this machine; Unreachable elsewhere."""
    if named := os.environ.get(ADDRESS):
        return named
    if urlsplit(uri).hostname not in HERE:
        raise Unreachable(f"the vectors are in Milvus, {short_line(uri)}; set {ADDRESS} to it if you trust it with queries")
    return uri


@cache
def _client(uri: str) -> Any:
    token = os.environ.get(TOKEN, "") if uri == os.environ.get(ADDRESS) else ""
    return _pymilvus().MilvusClient(uri, token=token, timeout=CONNECTS)


def _pymilvus() -> Any:
    milvus = importlib.import_module("pymilvus")  # it takes a second, and most commands need none
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)  # it logs tracebacks of what is raised too
    return milvus
