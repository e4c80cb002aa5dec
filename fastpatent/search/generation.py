"""Writing one generation of an index: its drawings, vectors, thumbnails and what is computed of them."""

import datetime
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

import fastpatent
from fastpatent.data.tables import write_csv
from fastpatent.errors import DataError
from fastpatent.evaluation.design_search import random_cosines
from fastpatent.files import write_atomically
from fastpatent.retrieval.codes import encode
from fastpatent.retrieval.distance import BLOCK_ROWS
from fastpatent.search.figures import Figure, figure_values
from fastpatent.search.layout import (
    CODE_SCALES,
    CODES,
    DRAWINGS,
    FLAT,
    MAPPED,
    NEIGHBOURS,
    RANDOM,
    SCHEMA,
    SKIPPED,
    THUMBNAILS,
    VECTORS,
    new_generation,
    publish,
    save_array,
)
from fastpatent.search.milvus import EFFORTS, Place
from fastpatent.search.milvus_vectors import gathered, insert_vectors, remove_retired, write_retired
from fastpatent.search.nearest import build_neighbours

MOST_COLUMN = 2**31  # bytes of a column of drawings with its offsets
SKIPPED_COLUMNS = ("path", "reason")


class Store(Protocol):
    """Where vectors and thumbnails of drawings lie, by row: an open index, or a shard of a build."""

    @property
    def vectors(self) -> np.ndarray:
        """Float32 or float16 [rows, dim], of length 1."""
        ...

    def thumbnail(self, row: int) -> bytes:
        """Return a PNG file."""
        ...


class Facts(NamedTuple):
    """What is known of a drawing beside its pixels; empty or None where it is unknown."""

    patent: str
    title: str = ""
    classes: tuple[str, ...] = ()
    locarno: str = ""
    date: datetime.date | None = None
    view: str = ""


class Drawing(NamedTuple):
    """A drawing of a generation.

    Attributes:
        path: absolute.
        facts: see `Facts`.
        size, changed, digest: see SCHEMA.
        store, row: where its vector and its thumbnail are.
        figure: of the file; None: all of it.
    """

    path: str
    facts: Facts
    size: int
    changed: int
    digest: bytes
    store: Store
    row: int
    figure: Figure | None = None


def write_generation(
    folder: str | os.PathLike[str],
    drawings: Sequence[Drawing],
    skipped: dict[str, str],
    network: dict[str, Any],
    sources: Sequence[str],
    kind: str = FLAT,
    dtype: str = "float32",
    figures: bool = False,
    place: Place | None = None,
) -> dict[str, Any]:
    """Write a generation of an index and make it the current one. For the one writer; what fails or is killed is removed.

    Args:
        folder: of the index.
        drawings: in any order, figures of one file in theirs; at least one.
        skipped: {path: why it is not in the index}.
        network: see `fastpatent.search.network`.
        sources: folders and lists that were read.
        kind: of KINDS.
        dtype: of the vectors, of DTYPES; in Milvus float32.
        figures: whether sheets are split into their figures.
        place: where in Milvus the vectors shall be; None: in the folder.

    Returns:
        The manifest, as `publish` takes it.

    Raises:
        DataError: there are too few drawings for an approximate kind, or too many for one index.
        OSError: the disk is full; the file is named.
    """
    drawings = sorted(drawings, key=lambda drawing: (drawing.facts.patent, os.fsencode(drawing.path)))
    remove_retired(folder)
    number, made = new_generation(folder)
    try:
        milvus: dict[str, Any] = {}
        if place:
            vectors: Any
            vectors, milvus = insert_vectors(folder, made, drawings, kind, place)
        else:
            write_atomically(made / VECTORS, lambda temporary: _write_vectors(temporary, drawings, dtype))
            vectors = np.load(made / VECTORS, mmap_mode="c", allow_pickle=False)
        write_retired(folder, made, milvus.get("collection", ""))
        ends: list[int] = []
        write_atomically(made / THUMBNAILS, lambda temporary: _write_thumbnails(temporary, drawings, ends))
        write_atomically(made / DRAWINGS, lambda temporary: _write_drawings(temporary, drawings, ends))
        write_atomically(made / MAPPED, lambda temporary: _write_mapped(temporary, made / DRAWINGS))
        patents = Counter(drawing.facts.patent for drawing in drawings)  # in their order
        random = random_cosines(vectors, np.repeat(np.arange(len(patents)), list(patents.values())))
        write_atomically(made / RANDOM, lambda temporary: save_array(temporary, random))
        rows = chain([SKIPPED_COLUMNS], skipped.items())
        write_atomically(made / SKIPPED, lambda temporary: write_csv(temporary, rows))
        effort, recall = EFFORTS[kind] if place else 0, {}
        if not place:
            codes = encode(vectors)
            write_atomically(made / CODES, lambda temporary: save_array(temporary, codes.codes))
            write_atomically(made / CODE_SCALES, lambda temporary: save_array(temporary, codes.scales))
            if kind != FLAT:
                neighbours, recall = build_neighbours(kind, vectors, codes)
                write_atomically(made / NEIGHBOURS, neighbours.write)
                effort = neighbours.effort
        manifest = {
            "written": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
            "fastpatent": fastpatent.__version__,
            "drawings": len(drawings),
            "patents": len(patents),
            "skipped": len(skipped),
            "dim": vectors.shape[1],
            "dtype": dtype,
            "kind": kind,
            "effort": effort,
            "recall": recall,
            "figures": figures,
            "network": network,
            "sources": list(sources),
            "milvus": milvus,
        }
        publish(folder, number, manifest)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    remove_retired(folder)
    return manifest


def _write_vectors(path: Path, drawings: Sequence[Drawing], dtype: str) -> None:
    """Write the vectors as a .npy file block by block; a map of a new file would end the process where the disk is full."""
    shape = len(drawings), drawings[0].store.vectors.shape[1]
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(drawings), BLOCK_ROWS):
            block = drawings[start : start + BLOCK_ROWS]
            file.write(gathered(block).astype(dtype).tobytes())


def _write_thumbnails(path: Path, drawings: Sequence[Drawing], ends: list[int]) -> None:
    with open(path, "wb") as file:
        for drawing in drawings:
            file.write(drawing.store.thumbnail(drawing.row))
            ends.append(file.tell())


def _write_drawings(path: Path, drawings: Sequence[Drawing], ends: Sequence[int]) -> None:
    with open(path, "wb") as file, pyarrow.parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for start in range(0, len(drawings), BLOCK_ROWS):
            block = zip(drawings[start : start + BLOCK_ROWS], ends[start : start + BLOCK_ROWS])
            writer.write_table(pyarrow.Table.from_pylist([_row(drawing, end) for drawing, end in block], SCHEMA))


def _write_mapped(path: Path, drawings: Path) -> None:
    """Write a Parquet file of drawings once more as one batch of Arrow, which takes no memory of a process that maps it."""
    table = one_batch(pyarrow.parquet.read_table(drawings))
    with open(path, "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def one_batch(table: pyarrow.Table) -> pyarrow.Table:
    """Return a table whose columns have one chunk, as readers expect; DataError where Arrow's offsets, int32, cannot."""
    for name, column in zip(table.column_names, table.columns):
        if column.nbytes >= MOST_COLUMN:
            raise DataError(
                f"{len(table):,} drawings are too many for one index, whose {name} may take 2 GiB; build several"
            )
    return table.combine_chunks()


def _row(drawing: Drawing, end: int) -> dict[str, Any]:
    of_file = {"size": drawing.size, "changed": drawing.changed, "digest": drawing.digest, "thumbnail_end": end}
    figure = figure_values(drawing.figure)
    return {"path": os.fsencode(drawing.path), **drawing.facts._asdict(), **of_file, "figure": figure}
