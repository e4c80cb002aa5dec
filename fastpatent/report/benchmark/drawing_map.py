"""A map of drawings by their features (DeepPatent paper, figure 5): t-SNE or UMAP, with the drawings themselves as marks."""

import numpy as np
from PIL import ImageOps
from scipy.spatial import cKDTree

from fastpatent.data.datasets.drawings import hashed_order
from fastpatent.data.image import open_drawing
from fastpatent.errors import DataError
from fastpatent.report.picture import shrink

METHODS = ("t-SNE", "UMAP")
FEWEST = 5
SHARE = 0.8  # of the width that each mark would have if the marks filled the picture in rows
INKS = ((0, 114, 178), (213, 94, 0), (0, 130, 95), (170, 60, 130), (150, 100, 0), (90, 80, 200), (40, 40, 40))


def mapped_drawings(samples, count=1000, seed=0):
    """Choose whole patents by chance, so that what belongs together can be seen together.

    Args:
        samples: list of Sample; one of unknown identity counts as a patent of its own.
        count: how many drawings at most.
        seed: a patent's place in the order of chance depends on its name and the seed alone.

    Returns:
        int64 array of rows of `samples`, patent after patent; only the last may be cut short.
    """
    patents = {}
    for row, sample in enumerate(samples):
        patents.setdefault(sample.path if sample.identity is None else sample.identity, []).append(row)
    return np.array([row for patent in hashed_order(patents, seed) for row in patents[patent]][:count], np.int64)


def map_positions(features, seed=0, method="t-SNE"):
    """Lay features out in a square, near ones together, by cosine.

    Args:
        features: float32 [drawings, dim], not many more than 1000.
        seed: of t-SNE and UMAP.
        method: one of METHODS.

    Returns:
        float32 [drawings, 2] in 0..1, x to the right and y downwards.

    Raises:
        DataError: fewer than 5 drawings, all of them alike, or UMAP is asked for without the package umap-learn.
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
            from umap import UMAP
        except ImportError as error:
            raise DataError("the package umap-learn is not installed (pip install umap-learn)") from error
        layout = UMAP(n_neighbors=max(2, neighbours), metric="cosine", random_state=seed, n_jobs=1)
    positions = layout.fit_transform(rows)
    span = np.ptp(positions, axis=0)
    return ((positions - positions.min(axis=0)) / np.where(span > 0, span, 1)).astype(np.float32)


def map_picture(samples, positions, side=3000):
    """Draw every drawing near its position: its paper is transparent, its ink has one of a few colours, alike in a patent.

    Drawings that would cover each other are pushed apart, so places tell who is whose neighbour, not how near.

    Args:
        samples: list of Sample; a drawing that cannot be read is left out.
        positions: float [drawings, 2] in 0..1.
        side: pixels of the picture.

    Returns:
        uint8 array [side, side, 3].
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
        place = picture[top : top + paper.shape[0], left : left + paper.shape[1]]
        ink, share = np.array(inks[sample.identity]), paper[:, :, None] / 255
        place[:] = np.round(ink + (place - ink) * share)
    return picture


def _apart(places, distance, limit, rounds=200):
    """Push places apart, half of what two of them lack to `distance` each, inside 0..limit."""
    for _ in range(rounds):
        pairs = cKDTree(places).query_pairs(distance, output_type="ndarray")
        between = places[pairs[:, 0]] - places[pairs[:, 1]]
        length = np.linalg.norm(between, axis=1, keepdims=True)
        if not len(pairs) or length.min() > 0.95 * distance:
            break
        angle = np.arange(len(pairs))[:, None]  # where two places are one, any direction will do
        between = np.where(length > 0, between / np.maximum(length, 1e-9), np.hstack([np.cos(angle), np.sin(angle)]))
        push = between * (distance - length) / 4
        moved = places.copy()
        np.add.at(moved, pairs[:, 0], push)
        np.subtract.at(moved, pairs[:, 1], push)
        places = moved.clip(0, limit)
    return places


def _mark(path, size):
    """Return a drawing's inked part in small, uint8 [up to size, up to size]; None where there is none."""
    try:
        drawing = open_drawing(path)
    except DataError:
        return None
    inked = ImageOps.invert(drawing).getbbox()
    return np.asarray(shrink(drawing.crop(inked), size)) if inked else None
