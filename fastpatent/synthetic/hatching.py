"""Shading by strokes: rulings on curved surfaces and parallel strokes on flat faces that face away from the light."""

import numpy as np

from fastpatent.synthetic.camera import Camera
from fastpatent.synthetic.lines import SPACING
from fastpatent.synthetic.raster import ItemBuffer

# From the upper left in front of the sheet (right, up, towards the viewer), as is usual in patent drawings.
LIGHT = np.array([-0.45, 0.65, 0.61])


def tone(normals: np.ndarray, camera: Camera) -> np.ndarray:
    """float64 [...]: cosine between world normals and the light."""
    return normals @ (LIGHT @ camera.axes())


def parallel_strokes(
    buffer: ItemBuffer, flat: np.ndarray, tones: np.ndarray, angle: float, pitch: float, phase: float
) -> np.ndarray:
    """Points of straight parallel strokes over dark flat faces, with gaps that suggest reflected light.

    Args:
        buffer: ItemBuffer.
        flat: bool [faces]: faces to shade.
        tones: float64 [faces]: see `tone`.
        angle: degrees of the strokes' direction on the sheet.
        pitch: pixels between strokes.
        phase: float in [0, 2 pi): sets the places of the gaps.

    Returns:
        float64 [points, 2]: column and row.
    """
    height, width = buffer.face.shape
    reach = np.hypot(height, width) / 2
    along, across = np.meshgrid(np.arange(-reach, reach, SPACING), np.arange(-reach, reach, pitch))
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    column = width / 2 + along * cosine - across * sine
    row = height / 2 + along * sine + across * cosine
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    along, across, column, row = along[inside], across[inside], column[inside], row[inside]
    face = buffer.face[row.astype(np.int64), column.astype(np.int64)]
    shaded = np.flatnonzero((face >= 0) & (flat & (tones < 0.48))[face])
    along, across, column, row = along[shaded], across[shaded], column[shaded], row[shaded]
    wave = np.sin(across / 23.0 + phase) + np.sin((along + 1.7 * across) / 41.0 + 2 * phase) + 0.6 * np.sin(across * 1.9)
    return np.stack([column, row], 1)[wave > 0.1]
