"""AHDH with one Python call per region, as in the papers: reference for results and timing."""

from math import floor

import numpy as np

LEVELS, DENSITY_LEVELS = 10, 2


def plain_ahdh(ink, levels=LEVELS):
    """Return float64 [20 + 15 * (levels - 2)] of a boolean [height, width], True where there is ink."""
    densities = [[0.0] * 4 ** (level + 1) for level in range(DENSITY_LEVELS)]
    words = [[0] * 15 for _ in range(DENSITY_LEVELS, levels)]
    describe_region(ink, 0, 0, densities, words)
    shares = [np.array(counts) / sum(counts) for counts in words]
    return np.concatenate([*densities, *shares])


def describe_region(ink, level, place, densities, words):
    """Add region `place` of the 4^level of a level, and recursively its parts."""
    if level == DENSITY_LEVELS + len(words):
        return
    height, width = ink.shape
    rows, columns = np.nonzero(ink)
    count = len(rows)
    row, column = (floor(rows.mean()), floor(columns.mean())) if count else (height // 2, width // 2)
    parts = [ink[:row, :column], ink[:row, column:], ink[row:, :column], ink[row:, column:]]
    inks = [np.count_nonzero(part) for part in parts]
    if level < DENSITY_LEVELS:
        densities[level][4 * place : 4 * place + 4] = [of_part / count if count else 1 for of_part in inks]
    else:
        bits = [str(int(count == 0 or of_part * ink.size >= count * part.size)) for of_part, part in zip(inks, parts)]
        words[level - DENSITY_LEVELS][int("".join(bits), 2) - 1] += 1
    for number, part in enumerate(parts):
        describe_region(part, level + 1, 4 * place + number, densities, words)
