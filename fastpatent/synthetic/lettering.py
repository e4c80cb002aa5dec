"""Stroke letters for figure captions, so that sheets do not depend on installed fonts."""

import numpy as np

# Polylines on a 4 x 6 grid, rows downwards.
GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "F": [[(4, 0), (0, 0), (0, 6)], [(0, 3), (3, 3)]],
    "I": [[(1, 0), (1, 6)]],
    "G": [[(4, 1), (3, 0), (1, 0), (0, 1), (0, 5), (1, 6), (3, 6), (4, 5), (4, 3), (2, 3)]],
    ".": [[(0, 6), (0.3, 6)]],
    "0": [[(1, 0), (3, 0), (4, 1), (4, 5), (3, 6), (1, 6), (0, 5), (0, 1), (1, 0)]],
    "1": [[(0, 1.5), (2, 0), (2, 6)]],
    "2": [[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (0, 6), (4, 6)]],
    "3": [[(0, 0), (4, 0), (2, 2.5), (4, 3.5), (4, 5), (3, 6), (1, 6), (0, 5)]],
    "4": [[(3, 6), (3, 0), (0, 4), (4, 4)]],
    "5": [[(4, 0), (0, 0), (0, 3), (3, 2.5), (4, 3.5), (4, 5), (3, 6), (0, 6)]],
    "6": [[(4, 0), (1, 1), (0, 3), (0, 5), (1, 6), (3, 6), (4, 5), (4, 4), (3, 3), (0, 3)]],
    "7": [[(0, 0), (4, 0), (1, 6)]],
    "8": [
        [(1, 0), (3, 0), (4, 1), (4, 2), (3, 3), (1, 3), (0, 2), (0, 1), (1, 0)],
        [(1, 3), (0, 4), (0, 5), (1, 6), (3, 6), (4, 5), (4, 4), (3, 3)],
    ],
    "9": [[(0, 6), (3, 5), (4, 3), (4, 1), (3, 0), (1, 0), (0, 1), (0, 2), (1, 3), (4, 3)]],
    " ": [],
}
WIDTHS = {"I": 2, ".": 0.3, " ": 1.5}


def caption(text: str, height: float) -> np.ndarray:
    """Points along the strokes of `text`.

    Args:
        text: characters of `GLYPHS`.
        height: height of the letters in pixels.

    Returns:
        float64 [points, 2]: column and row from the text's upper left corner, half a pixel apart.
    """
    unit, place, found = height / 6, 0.0, []
    for letter in text:
        for line in GLYPHS[letter]:
            for (x, y), (to_x, to_y) in zip(line[:-1], line[1:]):
                start, end = np.array([x + place, y]) * unit, np.array([to_x + place, to_y]) * unit
                part = np.linspace(0, 1, int(2 * np.linalg.norm(end - start)) + 2)[:, None]
                found.append(start + part * (end - start))
        place += WIDTHS.get(letter, 4) + 1.6
    return np.concatenate(found)
