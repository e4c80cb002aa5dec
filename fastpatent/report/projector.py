"""The features of a test set with small pictures, for the projector of TensorBoard."""

import logging
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fastpatent.data.records import Sample, names_below
from fastpatent.data.splitting import hashed_order
from fastpatent.data.tables import write_csv
from fastpatent.engine.run_folder import PROJECTOR
from fastpatent.evaluation.features import Features
from fastpatent.files import write_atomically
from fastpatent.report.picture import thumbnail, write_png

MOST = 2000  # images; each is read once more
SIDE = 48  # pixels of a picture: one of all is then 2,160 wide, and browsers show 8,192
logger = logging.getLogger(__name__)


def write_projector(features: Features, samples: Sequence[Sample], root: str, folder: str | os.PathLike[str]) -> None:
    """Write the files that TensorBoard's projector reads in the folder of a run; what cannot be written is a warning.

    Args:
        features: of a data set.
        samples: its queries, then its gallery.
        root: names of files below it are relative to it.
        folder: OUTPUT_DIR.
    """
    rows = chosen_rows(samples)
    samples = [samples[row] for row in rows]
    queries = len(features.query)
    points = np.stack([features.query[row] if row < queries else features.gallery[row - queries] for row in rows])
    config, values, metadata, pictures = (Path(folder) / name for name in PROJECTOR)
    table = [
        ("identity", "file"),
        *((sample.identity or "", name) for sample, name in zip(samples, names_below(root, samples))),
    ]
    try:
        write_atomically(values, lambda temporary: temporary.write_bytes(points.astype("<f4").tobytes()))
        write_atomically(metadata, lambda temporary: write_csv(temporary, table, "\t"))
        write_png(pictures, sprite_sheet(sample.path for sample in samples))
        text = _config(points.shape)
        write_atomically(config, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    except OSError as error:
        logger.warning(f"the projector of TensorBoard lacks files: {error.filename}: {error.strerror}")


def chosen_rows(samples: Sequence[Sample]) -> list[int]:
    """Return up to MOST rows: all images of randomly chosen identities, those of an identity together."""
    places = {name: place for place, name in enumerate(hashed_order({sample.identity or "" for sample in samples}, 0))}
    return sorted(range(len(samples)), key=lambda row: places[samples[row].identity or ""])[:MOST]


def sprite_sheet(paths: Iterable[str]) -> np.ndarray:
    """Return one picture of the thumbnails of drawings, row by row in a square, uint8 [height, width]."""
    pictures = np.stack([np.asarray(thumbnail(path, SIDE)) for path in paths])
    across = math.ceil(math.sqrt(len(pictures)))
    square = np.full((across * across, SIDE, SIDE), 255, np.uint8)
    square[: len(pictures)] = pictures
    return square.reshape(across, across, SIDE, SIDE).swapaxes(1, 2).reshape(across * SIDE, across * SIDE)


def _config(shape: tuple[int, ...]) -> str:
    _, values, metadata, pictures = PROJECTOR
    return f"""embeddings {{
  tensor_name: "features"
  tensor_path: "{values}"
  tensor_shape: {shape[0]}
  tensor_shape: {shape[1]}
  metadata_path: "{metadata}"
  sprite {{
    image_path: "{pictures}"
    single_image_dim: {SIDE}
    single_image_dim: {SIDE}
  }}
}}
"""
