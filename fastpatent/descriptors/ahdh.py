"""Adaptive hierarchical density histogram (Sidiropoulos, Vrochidis and Kompatsiaris, Pattern Recognition 44, 2011).

A region of the sheet is split in four at the centroid of its ink, recursively. The first levels give each part's share of
the region's ink. Deeper levels give one bit per part, set if it is at least as dense as the region: a 4-bit word.
"""

import numpy as np

from fastpatent.descriptors import DESCRIPTORS, Descriptor

LEVELS, DENSITY_LEVELS = 10, 2
WORDS = 15  # 4 bits, never all 0: at least one part is as dense as the region


def ahdh(drawing: np.ndarray) -> np.ndarray:
    """Densities of the first two levels (4 + 16), then a histogram of the 15 words for each of eight; float32 [140], 0..1.

    Each level is vectorised over the ink pixels: the cost grows with their number, not with the 4^level regions. A region
    without ink counts as evenly filled: densities 1, word 1111.

    Args:
        drawing: uint8 [height, width]; ink is separated from paper by Otsu's threshold.
    """
    rows, columns = ink_points(drawing)
    inside = np.zeros(len(rows), np.int32)  # region of each ink pixel, numbered among the regions with ink
    tree = np.arange(min(len(rows), 1))  # index of each such region among the level's 4^level
    edges = np.array([[0, drawing.shape[0], 0, drawing.shape[1]]], np.int64)[: len(tree)]  # top, bottom, left, right
    ink = np.bincount(inside, minlength=len(tree))
    features = []
    for level in range(LEVELS):
        centres = [(np.bincount(inside, axis, len(ink)) // ink).astype(np.int32) for axis in (rows, columns)]
        part = 4 * inside + 2 * (rows >= centres[0][inside]) + (columns >= centres[1][inside])
        parts_ink = np.bincount(part, minlength=4 * len(ink)).reshape(-1, 4)
        parts = split(edges, *centres)
        if level < DENSITY_LEVELS:
            densities = np.ones((4**level, 4))
            densities[tree] = parts_ink / ink[:, None]
            features.append(densities.ravel())
        else:
            dense = parts_ink * area(edges)[:, None] >= ink[:, None] * area(parts)
            words = np.bincount(dense @ np.array([8, 4, 2, 1]), minlength=WORDS + 1)[1:]
            words[-1] += 4**level - len(ink)
            features.append(words / 4**level)
        kept = np.flatnonzero(parts_ink)
        number = np.zeros(parts_ink.size, np.int32)
        number[kept] = np.arange(len(kept))
        inside, ink, edges = number[part], parts_ink.ravel()[kept], parts.reshape(-1, 4)[kept]
        tree = 4 * tree[kept // 4] + kept % 4
    return np.concatenate(features).astype(np.float32)


def ink_points(drawing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, columns), int32 each, of the ink in a uint8 [height, width]; empty if it is all one grey above 0."""
    import cv2

    threshold, _ = cv2.threshold(drawing, 0, 255, cv2.THRESH_OTSU)
    return np.divmod(np.flatnonzero(drawing <= threshold).astype(np.int32), np.int32(drawing.shape[1]))


def split(edges: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Split each region of edges [regions, 4] at its own row and column; return int64 [regions, 4 parts, 4]."""
    top, bottom, left, right = edges.T
    parts = [(top, row, left, column), (top, row, column, right), (row, bottom, left, column), (row, bottom, column, right)]
    return np.stack([np.stack(part, axis=-1) for part in parts], axis=1)


def area(edges: np.ndarray) -> np.ndarray:
    """Return the number of pixels inside edges [..., 4]: top, bottom, left, right."""
    return (edges[..., 1] - edges[..., 0]) * (edges[..., 3] - edges[..., 2])


DESCRIPTORS.register(Descriptor(ahdh), name="ahdh")
