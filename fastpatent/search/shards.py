"""What a build has extracted and no generation has yet: files that are written whole, so that a killed build goes on."""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from fastpatent.files import remove_temporaries, write_atomically
from fastpatent.retrieval.distance import first_unusable, normalise
from fastpatent.search.figures import figure_of, figure_values
from fastpatent.search.layout import SHARDS
from fastpatent.search.sources import Pixels

ROWS = 4096  # of a shard: what a kill loses
SUFFIX = ".safetensors"
MARK = "fastpatent search shard, version 2"
logger = logging.getLogger(__name__)


class Shard:
    """A file of drawings, of which only the names are in memory; see `Store`.

    Attributes:
        file: its path.
        files: [(path, size, changed, digest, figure)] of the drawings; those of one file are consecutive.
    """

    def __init__(self, path: Path, network: str) -> None:
        self.file = path
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            if (metadata["format"], metadata["network"]) != (MARK, network):
                raise ValueError("of another network")
            files = json.loads(file.get_tensor("files").tobytes())
        self.files = [
            (str(path), int(size), int(changed), bytes.fromhex(digest), figure_of(list(map(int, figure))))
            for path, size, changed, digest, figure in files
        ]
        if not len(self.files) == len(self.vectors) == len(self._ends) - 1:
            raise ValueError("not as many vectors as files")
        if self.vectors.dtype != np.float32 or first_unusable(self.vectors, "cosine") is not None:
            raise ValueError("not finite")

    @property
    def vectors(self) -> np.ndarray:
        return _loaded(self)["vectors"]

    def thumbnail(self, row: int) -> bytes:
        return _loaded(self)["thumbnails"][self._ends[row] : self._ends[row + 1]].tobytes()

    @cached_property
    def _ends(self) -> np.ndarray:
        return _loaded(self)["ends"]


@lru_cache(maxsize=4)  # drawings of a generation lie in the order in which they were extracted
def _loaded(shard: Shard) -> dict[str, np.ndarray]:
    return load_file(shard.file)


def write_shard(path: Path, network: str, drawings: Sequence[tuple[str, Pixels]], features: np.ndarray) -> None:
    """Write drawings that were extracted.

    Args:
        path: of `shard_file`.
        network: digest of the network, and whether sheets are split.
        drawings: [(absolute path, what else was read)].
        features: float32 [drawings, dim], of any length.
    """
    files = [[path, found.size, found.changed, found.digest.hex(), figure_values(found.figure)] for path, found in drawings]
    arrays = {
        "vectors": normalise(features),
        "files": np.frombuffer(json.dumps(files).encode(), np.uint8),
        "thumbnails": np.frombuffer(b"".join(found.thumbnail for _, found in drawings), np.uint8),
        "ends": np.cumsum([0, *(len(found.thumbnail) for _, found in drawings)], dtype=np.int64),
    }
    write_atomically(path, lambda temporary: save_file(arrays, temporary, {"format": MARK, "network": network}))


def shard_file(folder: str | os.PathLike[str], place: int = 0) -> Path:
    """Return the path of a shard that is not there, the first free one or, for several writers, one `place` behind it."""
    last = max((int(path.stem) for path in _files(folder)), default=0)
    return Path(folder) / SHARDS / f"{last + 1 + place}{SUFFIX}"


def read_shards(folder: str | os.PathLike[str], network: str) -> list[Shard]:
    """Return the shards of an unfinished build by this network, and make their folder; for the one writer."""
    (Path(folder) / SHARDS).mkdir(exist_ok=True)
    remove_temporaries(Path(folder) / SHARDS, [f"*{SUFFIX}"])
    shards = []
    for path in _files(folder):
        try:
            shards.append(Shard(path, network))
        except Exception:  # of damaged files, json, safetensors and numpy raise many kinds
            logger.warning(f"{path}: is damaged or of another network; its drawings are extracted again")
            path.unlink()
    return shards


def remove_shards(folder: str | os.PathLike[str]) -> None:
    """Remove what a generation has now."""
    shutil.rmtree(Path(folder) / SHARDS, ignore_errors=True)


def _files(folder: str | os.PathLike[str]) -> list[Path]:
    found = (path for path in (Path(folder) / SHARDS).glob(f"*{SUFFIX}") if path.stem.isdecimal())
    return sorted(found, key=lambda path: int(path.stem))
