"""Checking an index: the bytes of its files, its counts, its vectors, and some drawings that are extracted again."""

import io
import logging
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fastpatent.errors import DataError
from fastpatent.evaluation.pipeline import are_readable
from fastpatent.retrieval.distance import BLOCK_ROWS, normalise, squared_norms
from fastpatent.search.figures import figure_sample
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import damaged_files, read_manifest
from fastpatent.search.network import pipeline_of

SAMPLE = 32  # drawings that are extracted again
CLOSE = 0.999  # cosine of a vector with the one of another device or precision
LENGTH = 2e-3  # by which the length of a vector, in float16 too, may differ from 1
logger = logging.getLogger(__name__)


def verify_index(folder: str, overrides: Sequence[str] = (), sample: int = SAMPLE) -> list[str]:
    """Return what is wrong with an index, in sentences; empty where nothing is.

    Args:
        folder: of the index.
        overrides: KEY VALUE pairs for its network, such as MODEL.DEVICE cpu.
        sample: how many drawings, of those whose files are as they were, are extracted again; 0 needs no network.

    Raises:
        DataError: there is no index, or one of a newer version, or its network was changed.
        CheckpointError: its weights are gone.
    """
    manifest = read_manifest(folder)
    faults = damaged_files(folder, manifest)
    try:
        index = open_index(folder)
    except DataError as error:
        return list(dict.fromkeys([*faults, str(error)]))
    faults += _check_vectors(index)
    rows, gone, changed = _same_files(index, sample)
    if gone or changed:
        logger.info(f"of the files of {len(index)} drawings {gone} are gone and {changed} were changed since")
    if rows:
        faults += _extract_again(index, rows, overrides)
    return faults


def _check_vectors(index: Index) -> list[str]:
    for start in range(0, len(index), BLOCK_ROWS):
        lengths = np.sqrt(squared_norms(np.asarray(index.vectors[start : start + BLOCK_ROWS], np.float32)))
        wrong = ~((np.abs(lengths - 1) < LENGTH) | (lengths == 0))  # of NaN too; blank paper may have a vector of zeros
        if wrong.any():
            return [f"{index.folder}: the vector of {index.label(start + int(np.argmax(wrong)))} has not the length 1"]
    return []


def _same_files(index: Index, most: int) -> tuple[list[int], int, int]:
    """Return (random rows of drawings whose files are as they were, how many files are gone, how many were changed)."""
    sizes, times = (index.drawings[name].to_numpy() for name in ("size", "changed"))
    same, gone, changed = [], 0, 0
    for row in range(len(index)):
        try:
            state = os.stat(index.path(row))
        except OSError:
            gone += 1
            continue
        if (state.st_size, state.st_mtime_ns) == (sizes[row], times[row]):
            same.append(row)
        else:
            changed += 1
    chosen = np.random.default_rng().permutation(len(same))[:most]
    return sorted(same[place] for place in chosen), gone, changed


def _extract_again(index: Index, rows: Sequence[int], overrides: Sequence[str]) -> list[str]:
    samples, broken = [figure_sample(index.path(row), index.figure(row)) for row in rows], {}
    features = pipeline_of(index, overrides).embed_images(samples, f"{len(rows)} drawings again", broken)
    assert features is not None, "one process extracts everything"
    faults = list(broken.values())
    readable = are_readable(samples, broken)
    compared = np.array(rows)[readable]
    stored = np.asarray(index.vectors[compared], np.float32)
    cosines = np.einsum("rd,rd->r", normalise(features[readable]), stored)
    blank = ~(stored.any(axis=1) | features[readable].any(axis=1))
    for row, cosine in zip(compared.tolist(), np.where(blank, 1, cosines).tolist()):
        if cosine < CLOSE:
            faults.append(f"{index.label(row)}: extracted again, its vector has the cosine {cosine:.4f} with the stored one")
        try:
            Image.open(io.BytesIO(index.thumbnail(row)), formats=("PNG",)).verify()
        except Exception:  # of damaged bytes Pillow raises anything
            faults.append(f"{index.label(row)}: its thumbnail is damaged")
    logger.info(f"{len(compared)} drawings were extracted again and compared")
    return faults
