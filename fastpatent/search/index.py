"""An index that is open to be searched: its drawings, their vectors and thumbnails, and the nearest of a query."""

import csv
import mmap
import os
import re
import stat
from bisect import bisect_left
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
import torch

from fastpatent.data.tables import MOST_MEMORY, parquet_errors, read_csv
from fastpatent.errors import DataError
from fastpatent.files import open_regular
from fastpatent.retrieval.codes import Codes
from fastpatent.retrieval.distance import as_features, normalise
from fastpatent.search import nearest
from fastpatent.search.figures import Figure, figure_of, label_of
from fastpatent.search.layout import (
    CODE_SCALES,
    CODES,
    DRAWINGS,
    FLAT,
    KEYS,
    MAPPED,
    NEIGHBOURS,
    RANDOM,
    SCHEMA,
    SKIPPED,
    THUMBNAILS,
    VECTORS,
    generation_folder,
    read_manifest,
)
from fastpatent.search.milvus_vectors import MilvusVectors, vectors_in_milvus

EXPANDS = 64  # times: how much larger than its file the table of drawings may be, above MOST_MEMORY
FIRST_DAY, LAST_DAY = (day.toordinal() - date(1970, 1, 1).toordinal() for day in (date.min, date.max))
MOST_VALUES = 10_000  # of a figure
DRAWING_NAME = re.compile(r"([0-9a-f]{32})(?:-([1-9]\d{0,2}))?", re.ASCII)
MOST_FIGURES = 999  # of a file, that have a name of their own
MOST_EXACT = 200_000  # rows of a filter that are compared exactly whatever the kind of the index


class Index:
    """One generation of an index; what is built later does not change it. `open_index` makes one.

    Rows are the drawings, sorted by patent and path: those of patent number `p` are `starts[p]` to `starts[p + 1]`.

    Attributes:
        folder: of the index.
        manifest: see `read_manifest`.
        generation: its number.
        drawings: Arrow table with the columns of SCHEMA, a row a drawing; empty text, an empty list or null where unknown.
        vectors: float32 or float16 [drawings, dim], of length 1, mapped from the file; or `MilvusVectors`, which are fetched
            by row.
        random: float32, sorted cosines of random pairs of drawings of different patents.
        patents: sorted names.
        starts: int64 [patents + 1].
        patent_of: int64 [drawings], number of the patent.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: dict[str, Any], device: str | torch.device = "cpu") -> None:
        self.folder, self.manifest, self.generation = Path(folder), manifest, manifest["generation"]
        self._files = generation_folder(folder, self.generation)
        for name, state in manifest["files"].items():
            found = (self._files / name).stat()
            if not stat.S_ISREG(found.st_mode) or not found.st_size:
                raise DataError(f"{self._files / name}: is damaged: it is empty or no regular file")
            if found.st_size != state["bytes"]:
                raise DataError(f"{self._files / name}: is damaged: it has {found.st_size:,} bytes, not {state['bytes']:,}")
        self.drawings = self._read_drawings()
        self.random = self._read_array(RANDOM)
        self.vectors: Any = self._keyed_vectors() if manifest["milvus"] else self._read_array(VECTORS)
        shape = manifest["drawings"], manifest["dim"]
        if self.vectors.shape != shape or self.vectors.dtype != manifest["dtype"]:
            raise DataError(f"{self._files / VECTORS}: is damaged: its vectors are not those of the manifest")
        if self.random.ndim != 1 or self.random.dtype != np.float32:
            raise DataError(f"{self._files / RANDOM}: is damaged: it has no cosines")
        with open(self._files / THUMBNAILS, "rb") as file:
            self._thumbnails = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._ends = np.concatenate([[0], self.drawings["thumbnail_end"].to_numpy()])
        if self._ends[-1] != len(self._thumbnails) or (np.diff(self._ends) < 0).any():
            raise DataError(f"{self._files / THUMBNAILS}: is damaged: its thumbnails are not those of the drawings")
        compute: Any = pyarrow.compute  # its functions are made when it is imported
        runs = compute.run_end_encode(self.drawings["patent"].chunk(0), run_end_type=pyarrow.int64())
        self.patents: list[str] = runs.values.to_pylist()
        self.starts = np.concatenate([[0], runs.run_ends.to_numpy()])
        self.patent_of = np.repeat(np.arange(len(self.patents)), np.diff(self.starts))
        if len(self.patents) != manifest["patents"] or self.patents != sorted(set(self.patents)):
            raise DataError(f"{self._files / DRAWINGS}: is damaged: its rows are not in the order of the patents")
        if manifest["milvus"]:
            return
        compared_on = device if manifest["kind"] == FLAT else "cpu"
        self._compared = torch.from_numpy(self.vectors).to(compared_on)  # on the CPU no copy
        self._codes = self._read_codes() if self._compared.device.type == "cpu" and CODES in manifest["files"] else None
        self._neighbours = None
        if manifest["kind"] != FLAT:
            self._neighbours = nearest.Neighbours.read(self._files / NEIGHBOURS, manifest["effort"], *shape)

    def __len__(self) -> int:
        return len(self.vectors)

    def path(self, row: int) -> str:
        """Return the path of a drawing's file, absolute where the index was built."""
        return os.fsdecode(self.drawings["path"][row].as_py())

    def figure(self, row: int) -> Figure | None:
        """Return the figure of its file that a drawing is; None: all of it."""
        return figure_of(self.drawings["figure"][row].as_py())

    def label(self, row: int) -> str:
        """Return what people read of a drawing: the path of its file, and which figure of it."""
        return label_of(self.path(row), self.figure(row))

    def rows_of(self, patent: str) -> np.ndarray:
        """Return int64: the rows of a patent's drawings; empty where there is none of this name."""
        place = bisect_left(self.patents, patent)
        found = self.patents[place : place + 1] == [patent]
        return np.arange(*self.starts[place : place + 2]) if found else np.zeros(0, np.int64)

    def name(self, row: int) -> str:
        """Return what a drawing is called in every generation: the digest of its file in hex digits; with -1, -2 and so on
        behind it, figures of a file after the first.
        """
        paths, first = self.drawings["path"], row
        while first and row - first < MOST_FIGURES and paths[first - 1] == paths[row]:
            first -= 1
        digest = self.drawings["digest"][row].as_py().hex()
        return f"{digest}-{row - first}" if row > first else digest

    def row_of(self, name: str) -> int | None:
        """Return the first row of the drawing of a `name`; None where there is none."""
        if not (found := DRAWING_NAME.fullmatch(name)):
            return None
        digest, (digests, rows) = bytes.fromhex(found[1]), self._digests
        place = np.searchsorted(digests, np.bytes_(digest))
        if place == len(rows) or digests[place] != digest.rstrip(b"\0"):  # as NumPy has it
            return None
        row = int(rows[place]) + int(found[2] or 0)
        return row if row < len(self) and self.name(row) == name else None

    @cached_property
    def _digests(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted digests, and the row of each."""
        digests = np.array(self.drawings["digest"].to_pylist(), "S16")
        rows = np.argsort(digests, kind="stable")
        return digests[rows], rows

    def thumbnail(self, row: int) -> bytes:
        """Return a drawing, shrunk, as a PNG file."""
        return self._thumbnails[self._ends[row] : self._ends[row + 1]]

    def search(self, queries: np.ndarray, k: int, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (cosines float32, rows int64), [queries, min(k, rows)], of the nearest drawings, best first.

        Of equal cosines the lower row comes first. An index of kind flat is exact. Of another kind it is approximate, unless
        `rows` are no more than MOST_EXACT; cosines are always exact, and there are never fewer than k where k exist.

        Args:
            queries: float [queries, dim], of any length.
            k: how many.
            rows: bool [drawings] or int rows: only these are found; None: all.

        Raises:
            DataError: queries are of another dimension or not finite, k is below 1, or a row does not exist.
        """
        if k < 1:
            raise DataError(f"k must be at least 1, not {k}")
        asked, chosen = self._asked(queries), self._chosen(rows)
        if chosen is not None and (np.diff(chosen) <= 0).any():
            chosen = np.unique(chosen)
        if self.manifest["milvus"]:
            return self.vectors.search(asked, k, chosen)
        if self._neighbours and (chosen is None or len(chosen) > MOST_EXACT):
            return self._neighbours.search(asked, self._compared, k, chosen, self._codes)
        return nearest.nearest(asked, self._compared, k, chosen, self._codes)

    def cosines(self, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return float32 [queries, rows]: the cosines of queries with some drawings, in the order given, or with all.

        Arguments as of `search`.
        """
        asked, chosen = self._asked(queries), self._chosen(rows)
        if self.manifest["milvus"]:
            return self.vectors.cosines(asked, chosen)
        return nearest.cosines(asked, self._compared, chosen).cpu().numpy()

    def bounds(
        self, queries: np.ndarray, rows: np.ndarray | None = None, starts: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (lower, upper), float32 [queries, rows], between which `cosines` lie; much faster than these for many rows.

        With `starts`, of groups of rows, they are [queries, groups], for the highest cosine of each. Other arguments as of
        `search`. In Milvus there is nothing faster: both are the cosines.
        """
        if self.manifest["milvus"]:
            found = self.cosines(queries, rows)
            found = found if starts is None else nearest.maxima(found, starts)
            return found, found
        lower, upper = nearest.bounds(self._asked(queries), self._compared, self._chosen(rows), self._codes, starts)
        return lower.cpu().numpy(), upper.cpu().numpy()

    def skipped(self) -> dict[str, str]:
        """Return {path, escaped: why it is not in the index} of the images that could not be read.

        Raises:
            DataError: the list is damaged.
        """
        path = self._files / SKIPPED
        try:
            return {row["path"]: row["reason"] for row in read_csv(path)}
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise DataError(f"{path}: is damaged or no list of skipped images") from error

    def _asked(self, queries: np.ndarray) -> np.ndarray:
        asked = normalise(as_features(queries, "queries"))
        if asked.shape[1] != self.vectors.shape[1]:
            raise DataError(f"queries have {asked.shape[1]} dimensions and {self.folder} {self.vectors.shape[1]}")
        return asked

    def _chosen(self, rows: np.ndarray | None) -> np.ndarray | None:
        if rows is None:
            return None
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape != (len(self),):
            raise DataError(f"a filter must be one value a drawing, [{len(self)}], not {list(rows.shape)}")
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(self):
            raise DataError(f"{self.folder}: has the rows 0 to {len(self) - 1}, not {chosen.min()} to {chosen.max()}")
        return chosen

    def _read_drawings(self) -> pyarrow.Table:
        mapped = MAPPED in self.manifest["files"]
        path = self._files / (MAPPED if mapped else DRAWINGS)
        most = MOST_MEMORY + EXPANDS * os.path.getsize(path)
        with parquet_errors(path, most, "Arrow" if mapped else "Parquet"), open_regular(path) as file:
            if mapped:
                found = pyarrow.ipc.open_file(pyarrow.memory_map(os.fspath(path))).read_all()
            else:
                self._check_count(pyarrow.parquet.read_metadata(file).num_rows)
                found = pyarrow.parquet.read_table(file, use_threads=False)
            self._check_count(len(found))
            found = found.combine_chunks()
            if self.manifest["version"] == 1:
                whole = pyarrow.array([[]], SCHEMA.field("figure").type).take(pyarrow.array(np.zeros(len(found), np.int64)))
                found = found.append_column("figure", pyarrow.chunked_array([whole]))
            _check_drawings(found)
        return found

    def _check_count(self, count: int) -> None:
        if count != self.manifest["drawings"]:
            raise ValueError(f"it has {count:,} drawings and not {self.manifest['drawings']:,}")

    def _read_codes(self) -> Codes:
        codes = Codes(self._read_array(CODES), self._read_array(CODE_SCALES))
        expected = [(self.vectors.shape, np.int8, True), ((len(self.vectors), 2), np.float32, True)]
        if [(each.shape, each.dtype, each.flags.c_contiguous) for each in codes] != expected:
            raise DataError(f"{self._files / CODES}: is damaged: its codes are not those of the vectors")
        return codes

    def _keyed_vectors(self) -> MilvusVectors:
        keys = self._read_array(KEYS)
        if keys.shape != (self.manifest["drawings"],) or keys.dtype != np.int64:
            raise DataError(f"{self._files / KEYS}: is damaged: its keys are not those of the drawings")
        return vectors_in_milvus(self.manifest, keys)

    def _read_array(self, name: str) -> np.ndarray:
        try:
            return np.load(self._files / name, mmap_mode="c", allow_pickle=False)  # torch wants what could be written to
        except (ValueError, EOFError) as error:
            raise DataError(f"{self._files / name}: is damaged: it has no header of an array") from error


def _check_drawings(drawings: pyarrow.Table) -> None:
    """Raise ValueError where a table is not that of an index, or has values that Python could not read."""
    compute: Any = pyarrow.compute
    if not drawings.schema.equals(SCHEMA):
        raise ValueError("it has other columns than the drawings of an index")
    drawings.validate(full=True)
    complete = [drawings[name] for name in drawings.column_names if name != "date"]
    lists = [drawings[name].chunk(0).flatten() for name in ("classes", "figure")]
    if any(column.null_count for column in [*complete, *lists]):
        raise ValueError("a value is missing")
    if not set(compute.unique(compute.list_value_length(drawings["figure"])).to_pylist()) <= {0, *range(5, MOST_VALUES, 4)}:
        raise ValueError("a figure has no box")
    if len(lists[1]) and compute.min(lists[1]).as_py() < 0:
        raise ValueError("a figure is outside of its sheet")
    days = drawings["date"].cast(pyarrow.int32()).drop_null()
    if len(days) and not FIRST_DAY <= compute.min(days).as_py() <= compute.max(days).as_py() <= LAST_DAY:
        raise ValueError("a date is of no year from 1 to 9999")
    if compute.any(compute.match_substring(drawings["path"], "\0")).as_py():
        raise ValueError("a path has a zero byte")


def open_index(folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> Index:
    """Open the current generation of an index.

    Args:
        folder: of the index.
        device: that compares; a GPU holds the vectors of an index of kind flat.

    Raises:
        DataError: there is no index, half of one, one of a newer version, or a damaged one.
    """
    while True:
        manifest = read_manifest(folder)
        try:
            return Index(folder, manifest, device)
        except FileNotFoundError as error:
            if read_manifest(folder)["generation"] == manifest["generation"]:  # else it was replaced twice since
                raise DataError(f"{error.filename}: is missing; build the index again") from error
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error
