"""The features of single drawings on disk, so that only new and changed files are extracted again."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load, save

from fastpatent.errors import DataError
from fastpatent.files import check_output, head, make_folder, read_regular, write_atomically
from fastpatent.retrieval.distance import first_unusable

MARK = "features of drawings, version 1"
MOST_ROW = 2**17  # bytes of a drawing's feature, path and state; the widest here, Fisher vectors, have 2**15
SPARE_ROWS = 2000  # of drawings that are gone, or of earlier queries
MOST_EARLIER = 1000  # drawings of earlier queries that stay stored
logger = logging.getLogger(__name__)


class State(NamedTuple):
    """By what a file is known to be the same: its size in bytes, and when it was changed, in ns."""

    size: int
    changed: int


class Row(NamedTuple):
    """The feature of a drawing, float32 [dim], and the state of its file when it was extracted."""

    state: State
    feature: np.ndarray


def cache_folder() -> Path:
    """Return where this user's programs cache what they can compute again: $XDG_CACHE_HOME/fastpatent, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "fastpatent"


class DrawingStore:
    """One file of features.

    Args:
        folder: where the file lies; `write` makes it.
        of: which drawings it holds, in words or as a path.
        key: of what decides the features, but for the drawings.

    Attributes:
        path: of the file; its name depends on `of` and `key`, so that other drawings and networks have other files.
    """

    def __init__(self, folder: str | os.PathLike[str], of: str, key: str) -> None:
        self._key = hashlib.sha256(json.dumps([MARK, of, key]).encode()).hexdigest()
        self.path = Path(folder) / f"{self._key[:32]}.safetensors"

    def read(self, expected: int) -> dict[str, Row]:
        """Return {path: Row}; empty where nothing is stored, and, with a warning, where the file is damaged or foreign.

        The file may come from elsewhere and claim anything: it is not read where it is larger than twice the `expected`
        number of drawings, and some, can take.
        """
        try:
            data = read_regular(self.path, MOST_ROW * (2 * expected + SPARE_ROWS))
            arrays = load(data)
            features, files = arrays["features"], arrays["files"].tobytes()
            stored = json.loads(files)
            if arrays["digest"].tobytes() != _digest(features, files) or stored["key"] != self._key:
                raise ValueError
            if features.dtype != np.float32 or first_unusable(features, "cosine") is not None:
                raise ValueError
            rows = zip(stored["files"], features, strict=True)
            return {str(path): Row(State(int(size), int(changed)), feature) for (path, size, changed), feature in rows}
        except FileNotFoundError:
            return {}
        except OSError as error:
            logger.warning(f"{self.path}: cannot be read, {error.strerror}; its drawings are extracted again")
        except Exception:  # of damaged files, json, safetensors and numpy raise many kinds
            logger.warning(
                f"{self.path}: is damaged or no cache of this folder and network; its drawings are extracted again"
            )
        return {}

    def write(self, rows: dict[str, Row]) -> None:
        """Replace what is stored; a file that cannot be written, or is of another origin, is a warning and no error."""
        files = json.dumps({"key": self._key, "files": [[path, *row.state] for path, row in rows.items()]}).encode()
        features = np.stack([row.feature for row in rows.values()])
        arrays = {
            "features": features,
            "files": np.frombuffer(files, np.uint8),
            "digest": np.frombuffer(_digest(features, files), np.uint8),
        }
        try:
            make_folder(self.path.parent, "--cache")
            check_output(self.path, "--cache", lambda path: MARK.encode() in head(path))
            write_atomically(self.path, lambda temporary: temporary.write_bytes(save(arrays, {"format": MARK})))
        except OSError as error:
            logger.warning(f"features are not cached, {error.filename}: {error.strerror}")
        except DataError as error:
            logger.warning(f"features are not cached, {error}")


def current_features(
    drawings: Sequence[str],
    views: Sequence[str],
    extract: Callable[[list[str], dict[str, str]], np.ndarray],
    stores: tuple[DrawingStore, DrawingStore] | None,
) -> dict[str, np.ndarray]:
    """Return {path: feature} of those drawings that can be read; only new and changed ones are extracted.

    Args:
        drawings: paths of the drawings that are searched.
        views: of the drawings of queries.
        extract: function of paths -> float32 [paths, dim]; to the dict it adds {path: reason} of what it cannot read.
        stores: of the drawings, and of this and earlier queries; None: all are extracted.

    Raises:
        DataError: stored features are of other lengths than those of the network.
    """
    states = {path: _state(path) for path in [*drawings, *views]}
    stored = [store.read(len(paths)) for store, paths in zip(stores or (), (drawings, views))]
    known = {path: row for rows in stored for path, row in rows.items() if states.get(path) == row.state}
    reused, missing = list(known), [path for path in states if path not in known]
    if missing:
        broken: dict[str, str] = {}
        asked = [*missing, *reused[:1]]  # an extraction has one at least that can be read
        for path, feature in zip(asked, extract(asked, broken)):
            if path not in broken:
                known[path] = Row(states[path] or State(0, 0), feature)
        if broken:
            logger.warning(f"{len(broken)} images cannot be read and are not found")
    if len({len(row.feature) for row in known.values()}) > 1:
        raise DataError(f"{stores[0].path.parent if stores else ''}: features of other lengths are cached there; remove it")
    if stores:
        logger.info(f"features: {len(reused)} cached, {len(known) - len(reused)} extracted ({stores[0].path.parent})")
        _update(stores[0], stored[0], {path: known[path] for path in drawings if path in known})
        earlier = dict(list(stored[1].items())[-MOST_EARLIER:])
        _update(stores[1], stored[1], earlier | {path: known[path] for path in views if path in known})
    return {path: row.feature for path, row in known.items()}


def _update(store: DrawingStore, before: dict[str, Row], rows: dict[str, Row]) -> None:
    same = before.keys() == rows.keys() and all(before[path].state == row.state for path, row in rows.items())
    if rows and not same:
        store.write(rows)


def _state(path: str) -> State | None:
    """Return the state of a file; None where it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return State(found.st_size, found.st_mtime_ns)


def _digest(features: np.ndarray, files: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(files).digest() + features.tobytes()).digest()
