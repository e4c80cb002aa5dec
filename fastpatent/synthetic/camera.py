"""The camera of the sample: viewpoints of a design patent and a projection that maps planes to planes.

World axes: x to the right and z upwards as seen in the front view, y away from the viewer.
"""

from typing import NamedTuple

import numpy as np

# (azimuth, elevation) in degrees of the six orthographic figures, in the usual order of a patent.
ORTHOGRAPHIC = {"front": (0, 0), "back": (180, 0), "left": (-90, 0), "right": (90, 0), "top": (0, 90), "bottom": (0, -90)}


class Camera(NamedTuple):
    """A view.

    Attributes:
        azimuth: degrees of the viewer around the object, to the right of the front.
        elevation: degrees above the horizon.
        distance: from the origin to the eye; `inf` for a parallel projection.
    """

    azimuth: float
    elevation: float
    distance: float = np.inf

    def axes(self) -> np.ndarray:
        """float64 [3, 3]: rows are the right, up and towards-the-viewer directions in world axes."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        towards = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        return np.stack([right, np.cross(towards, right), towards])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project world points [..., 3] to (right, up, nearness) [..., 3].

        In perspective all three are multiplied by d / (d - z): a projective map, which sends straight lines to straight
        lines and planes to planes, so nearness is linear over the image of every planar face.
        """
        view = points @ self.axes().T
        if np.isfinite(self.distance):
            view = view * (self.distance / (self.distance - view[..., 2:]))
        return view

    def facing(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """float64 [...]: positive where a surface with this point and normal faces the viewer."""
        towards = self.axes()[2]
        if np.isfinite(self.distance):
            return (normals * (self.distance * towards - points)).sum(-1)
        return normals @ towards


def patent_views(rng: np.random.Generator, radius: float) -> list[Camera]:
    """The 7 or 8 cameras of one design: two perspective views, and five or six near-orthographic ones between them.

    Args:
        rng: numpy Generator.
        radius: radius of a ball about the origin that contains the object.

    Returns:
        list of Camera; the first is a perspective, as in most patents.
    """

    def perspective(azimuth: float) -> Camera:
        return Camera(azimuth + rng.uniform(-14, 14), rng.uniform(16, 38), radius * rng.uniform(3.5, 7.0))

    side = rng.choice([-1, 1])
    views = [perspective(side * 38)]
    for name, (azimuth, elevation) in ORTHOGRAPHIC.items():
        if name == "bottom" and rng.random() < 0.35:
            continue
        # Drawn by hand, views are a few degrees off, and some are seen from above the horizon.
        tilt = rng.uniform(-5, 5) if abs(elevation) == 90 else rng.choice([0.0, rng.uniform(2, 12)])
        views.append(
            Camera(
                azimuth + rng.normal(0, 4),
                np.clip(elevation - np.sign(elevation) * abs(tilt) if elevation else tilt, -90, 90),
            )
        )
    views.append(perspective(-side * 142 if rng.random() < 0.5 else -side * 45))
    return views
