"""A map of drawings by their features (DeepPatent paper, figure 5): t-SNE or UMAP, with thumbnails as markers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import ImageOps
from scipy.spatial import KDTree

from fastpatent.data.image import open_drawing
from fastpatent.data.records import Sample
from fastpatent.data.splitting import hashed_order
from fastpatent.errors import DataError
from fastpatent.report.picture import shrink

METHODS = ("t-SNE", "UMAP")
FEWEST = 5  # drawings
SHARE = 0.8  # marker width, relative to markers that fill the picture as a grid
INKS = ((0, 114, 178), (213, 94, 0), (0, 130, 95), (170, 60, 130), (150, 100, 0), (90, 80, 200), (40, 40, 40))


def mapped_drawings(samples: Sequence[Sample], count: int = 1000, seed: int = 0) -> np.ndarray:
    """Choose a random sample of whole patents, so that their drawings can be seen together.

    Args:
        samples: drawings; one of unknown identity counts as a patent of its own.
        count: most drawings.
        seed: a patent's position in the random order depends only on its name and the seed.

    Returns:
        int64 rows of `samples`, grouped by patent; only the last patent may be incomplete.
    """
    patents: dict[str, list[int]] = {}
    for row, sample in enumerate(samples):
        patents.setdefault(sample.path if sample.identity is None else sample.identity, []).append(row)
    return np.array([row for patent in hashed_order(patents, seed) for row in patents[patent]][:count], np.int64)


def map_positions(features: np.ndarray, seed: int = 0, method: str = "t-SNE") -> np.ndarray:
    """Embed features in the unit square by cosine distance.

    Args:
        features: float32 [drawings, dim], up to about 1000 drawings.
        seed: of t-SNE and UMAP.
        method: one of METHODS.

    Returns:
        float32 [drawings, 2] in 0..1, x to the right and y downwards.

    Raises:
        DataError: fewer than 5 drawings, all features equal, or UMAP without the package umap-learn.
    """
    if len(features) < FEWEST:
        raise DataError(f"a map needs at least {FEWEST} drawings, not {len(features)}")
    rows = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    if not np.ptp(rows, axis=0).any():
        raise DataError("all drawings have the same features")
    neighbours = min(30, (len(rows) - 1) // 3)
    if method == "t-SNE":
        from sklearn.manifold import TSNE

        layout = TSNE(perplexity=neighbours, metric="cosine", init="pca", random_state=seed)
    else:
        try:
            from umap import UMAP  # pyright: ignore[reportMissingImports]  # optional
        except ImportError as error:
            raise DataError("the package umap-learn is not installed (pip install umap-learn)") from error
        layout = UMAP(n_neighbors=max(2, neighbours), metric="cosine", random_state=seed, n_jobs=1)
    positions = layout.fit_transform(rows)
    span = np.ptp(positions, axis=0)
    return ((positions - positions.min(axis=0)) / np.where(span > 0, span, 1)).astype(np.float32)


def map_picture(samples: Sequence[Sample], positions: ArrayLike, side: int = 3000) -> np.ndarray:
    """Draw every drawing near its position, with transparent paper and one ink colour per patent.

    Overlapping drawings are pushed apart, so the map shows which drawings are neighbours, not their distance.

    Args:
        samples: drawings; unreadable ones are skipped.
        positions: float [drawings, 2] in 0..1.
        side: width and height of the picture in pixels.

    Returns:
        uint8 [side, side, 3].
    """
    mark = int(np.clip(SHARE * side / np.sqrt(max(len(samples), 1)), 16, side // 6))
    corners = _apart(np.asarray(positions) * (side - mark), 0.95 * mark, side - mark).round().astype(int)
    known = [sample.identity for sample in samples]
    inks = {identity: INKS[number % len(INKS)] for number, identity in enumerate(dict.fromkeys(known))}
    picture = np.full((side, side, 3), 255, np.uint8)
    for sample, corner in zip(samples, corners):
        paper = _mark(sample.path, mark)
        if paper is None:
            continue
        left, top = corner + (mark - np.array(paper.shape[1::-1])) // 2
        region = picture[top : top + paper.shape[0], left : left + paper.shape[1]]
        ink, share = np.array(inks[sample.identity]), paper[:, :, None] / 255
        region[:] = np.round(ink + (region - ink) * share)
    return picture


def _apart(places: np.ndarray, distance: float, limit: float, rounds: int = 200) -> np.ndarray:
    """Push points closer than `distance` apart in small steps, clipped to 0..limit; float64 [points, 2]."""
    for _ in range(rounds):
        pairs = KDTree(places).query_pairs(distance, output_type="ndarray")
        between = places[pairs[:, 0]] - places[pairs[:, 1]]
        length = np.linalg.norm(between, axis=1, keepdims=True)
        if not len(pairs) or length.min() > 0.95 * distance:
            break
        angle = np.arange(len(pairs))[:, None]  # coincident points are pushed in an arbitrary direction
        between = np.where(length > 0, between / np.maximum(length, 1e-9), np.hstack([np.cos(angle), np.sin(angle)]))
        push = between * (distance - length) / 4
        moved = places.copy()
        np.add.at(moved, pairs[:, 0], push)
        np.subtract.at(moved, pairs[:, 1], push)
        places = moved.clip(0, limit)
    return places


def _mark(path: str | Path, size: int) -> np.ndarray | None:
    """Return the thumbnail of a drawing's ink, uint8, each side up to `size`; None if blank or unreadable."""
    try:
        drawing = open_drawing(path)
    except DataError:
        return None
    inked = ImageOps.invert(drawing).getbbox()
    return np.asarray(shrink(drawing.crop(inked), size)) if inked else None
