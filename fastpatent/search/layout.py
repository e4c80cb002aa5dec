"""The files of an index, and how a new generation of them takes the place of the old one.

INDEX/manifest.json names the current generation and says what is in it; it is replaced in one step, so that readers open
the old generation or the new one. INDEX/generations/N/ has the files, which are never changed. INDEX/shards/ has what was
extracted and is in no generation yet.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from fastpatent.errors import DataError
from fastpatent.files import read_regular, remove_temporaries, sha256_of, write_atomically

FORMAT, VERSION = "fastpatent search index", 2
MANIFEST, GENERATIONS, SHARDS = "manifest.json", "generations", "shards"
DRAWINGS, VECTORS, RANDOM, THUMBNAILS, SKIPPED = (
    "drawings.parquet",
    "vectors.npy",
    "random_cosines.npy",
    "thumbnails.bin",
    "skipped.csv",
)
CODES, CODE_SCALES = "codes.npy", "code_scales.npy"  # of the vectors; indexes of older versions have none
MAPPED = "drawings.arrow"  # the table of drawings as it is in memory, to be mapped; indexes of older versions have none
NEIGHBOURS = "neighbours.faiss"  # of the approximate kinds
KEYS, RETIRED = "keys.npy", "retired.json"  # in place of VECTORS where they are in Milvus; what is to be removed there
FLAT, HNSW, IVFPQ = KINDS = ("flat", "hnsw", "ivfpq")
DTYPES = ("float32", "float16")
MOST_MANIFEST = 2**22  # bytes; one has some 5,000
MOST_DIM = 2**18
MOST = 2**40  # of any count
TYPES = (
    dict.fromkeys(("generation", "drawings", "patents", "skipped", "dim", "effort"), int)
    | dict.fromkeys(("written", "fastpatent", "dtype", "kind"), str)
    | {"figures": bool, "recall": dict, "network": dict, "milvus": dict, "files": dict, "sources": list}
)  # of the values of a manifest
PLACE = dict.fromkeys(("uri", "prefix", "collection"), str) | dict.fromkeys(("next", "shards", "replicas"), int)
OLD = 2  # generations that stay: the current one, and the last, which readers may be opening
TEXT = pyarrow.string()
# One row a drawing, sorted by patent and path, so that the drawings of a patent are consecutive rows.
SCHEMA = pyarrow.schema(
    {
        "path": pyarrow.binary(),  # absolute, in bytes, since names of files need not be UTF-8
        "patent": TEXT,
        "title": TEXT,
        "classes": pyarrow.list_(TEXT),
        "locarno": TEXT,
        "date": pyarrow.date32(),
        "view": TEXT,
        "size": pyarrow.int64(),  # of the file, in bytes
        "changed": pyarrow.int64(),  # when, in ns; a file of this size and time is taken for the same
        "digest": pyarrow.binary(),  # BLAKE2b of the file, 16 bytes
        "thumbnail_end": pyarrow.int64(),  # in thumbnails.bin; it begins where that of the row above ends
        "figure": pyarrow.list_(pyarrow.int32()),  # of a sheet, see `figure_of`; empty: all of it. Version 1 has none
    }
)


def save_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write a .npy file of exactly this name, to which np.save would add a suffix."""
    with open(path, "wb") as file:
        np.save(file, array)


def generation_folder(folder: str | os.PathLike[str], number: int) -> Path:
    """Return the folder of a generation of an index."""
    return Path(folder) / GENERATIONS / str(number)


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the manifest of an index.

    Keys: `generation`, `written` (ISO date and time), `fastpatent` (version), `drawings`, `patents`, `skipped` (counts),
    `dim`, `dtype`, `kind` (of KINDS), `effort` (of an approximate search), `recall` ({share of the drawings that a filter
    leaves: recall@10}), `figures` (whether sheets are split into their figures), `network` (see
    `fastpatent.search.network`), `sources` (folders and lists that were read), `files` ({name: {"bytes", "sha256"}}),
    `milvus` ({} where the vectors are in the folder, else the keys of PLACE).

    Raises:
        DataError: there is no index, or half of one, or it is damaged or of a newer version.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(read_regular(path, MOST_MANIFEST))
        if manifest["format"] != FORMAT:
            raise ValueError
        version = int(manifest["version"])
    except (FileNotFoundError, NotADirectoryError) as error:
        if (Path(folder) / SHARDS).is_dir():
            raise DataError(
                f"{folder}: this index is not finished; the same `fastpatent index build` again goes on where it ended"
            ) from error
        raise DataError(f"{folder}: is no index, it has no {MANIFEST}; `fastpatent index build` makes one") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: is damaged or no manifest of an index") from error
    if version > VERSION:
        raise DataError(
            f"{path}: was written by a newer fastpatent, as format {version}; this one reads up to {VERSION}, update it"
        )
    try:
        if version == 1:
            manifest |= {"figures": False, "milvus": {}}
        _check(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is damaged: {error}") from error
    return manifest


def _check(manifest: dict[str, Any]) -> None:
    for key, kind in TYPES.items():
        if type(manifest[key]) is not kind or (kind is int and not 0 <= manifest[key] < MOST):
            raise ValueError(f"{key} is no {'count' if kind is int else kind.__name__}")
    if not manifest["drawings"] or not 0 < manifest["dim"] <= MOST_DIM:
        raise ValueError("it has no drawing or no dimension")
    if manifest["kind"] not in KINDS or manifest["dtype"] not in DTYPES:
        raise ValueError("its kind is unknown")
    network = manifest["network"]
    if not isinstance(network["digest"], str) or not isinstance(network["config"], dict) or network["texts"] not in (0, 1):
        raise ValueError("it names no network")
    for share, recall in manifest["recall"].items():
        if not (0 <= float(share) <= 1 and 0 <= recall <= 1):
            raise ValueError("recall is no share")
    if not all(isinstance(source, str) for source in manifest["sources"]):
        raise ValueError("its sources are no names")
    for name, state in manifest["files"].items():
        if os.path.basename(name) != name or not isinstance(state["bytes"], int) or not isinstance(state["sha256"], str):
            raise ValueError("its files are not those of a generation")
    milvus = manifest["milvus"]
    if milvus and not all(type(milvus[key]) is kind for key, kind in PLACE.items()):
        raise ValueError("it names no collection in Milvus")
    needed = {DRAWINGS, RANDOM, THUMBNAILS, SKIPPED, KEYS if milvus else VECTORS}
    needed |= {NEIGHBOURS} if manifest["kind"] != FLAT and not milvus else set()
    if missing := needed - manifest["files"].keys():
        raise ValueError(f"it lacks {min(missing)}")


def damaged_files(folder: str | os.PathLike[str], manifest: dict[str, Any]) -> list[str]:
    """Return what is wrong with the bytes of a generation's files, in sentences; empty where nothing is."""
    faults, files = [], generation_folder(folder, manifest["generation"])
    for name, state in manifest["files"].items():
        try:
            if sha256_of(files / name) != state["sha256"]:
                faults.append(f"{files / name}: is damaged: its checksum is not the one in the manifest")
        except OSError as error:
            faults.append(f"{files / name}: cannot be read: {error.strerror}")
    return faults


def new_generation(folder: str | os.PathLike[str]) -> tuple[int, Path]:
    """Make the folder of the next generation, empty; return (number, folder). For the one writer."""
    generations = Path(folder) / GENERATIONS
    generations.mkdir(exist_ok=True)
    current = read_manifest(folder)["generation"] if (Path(folder) / MANIFEST).exists() else 0
    for path in generations.iterdir():
        if path.name.isdecimal() and int(path.name) > current:  # of a build that was killed
            shutil.rmtree(path)
    made = generation_folder(folder, current + 1)
    made.mkdir()
    return current + 1, made


def publish(folder: str | os.PathLike[str], number: int, manifest: dict[str, Any]) -> None:
    """Make a generation, whose files are written, the current one, and remove those that no reader needs.

    Args:
        folder: of the index.
        number: of the generation.
        manifest: what `read_manifest` returns, but for `format`, `version`, `generation` and `files`.
    """
    written = generation_folder(folder, number)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(written.iterdir())}
    manifest = {"format": FORMAT, "version": VERSION, "generation": number, **manifest, "files": files}
    text = json.dumps(manifest, indent=1) + "\n"
    write_atomically(Path(folder) / MANIFEST, lambda temporary: temporary.write_text(text))
    remove_leftovers(folder)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove generations before the last one, and parts of files that killed builds have left. For the one writer."""
    remove_temporaries(folder, [MANIFEST])
    current = read_manifest(folder)["generation"]
    for path in (Path(folder) / GENERATIONS).iterdir():
        if path.name.isdecimal() and int(path.name) <= current - OLD:
            shutil.rmtree(path, ignore_errors=True)
