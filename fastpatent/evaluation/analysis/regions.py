"""Which regions of two drawings a network finds alike: mutual nearest patches of its last feature map."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from yacs.config import CfgNode

from fastpatent.data.image_source import build_source
from fastpatent.data.records import Sample
from fastpatent.data.transforms import build_test_transform
from fastpatent.device import to_device
from fastpatent.errors import DataError
from fastpatent.models import Network

DARK = 128  # darker values are ink
MOST = 12  # matches of a pair
LEAST = 4  # patches of a map that says where


class Match(NamedTuple):
    """Two patches that are each other's nearest: their centres (x, y) in pixels, and the cosine of their features."""

    first: tuple[float, float]
    second: tuple[float, float]
    cosine: float


class Regions(NamedTuple):
    """Two drawings as the network sees them, uint8 [height, width] each, and their matches, the highest cosine first."""

    first: np.ndarray
    second: np.ndarray
    matches: list[Match]


def region_matches(
    network: Network, cfg: CfgNode, pairs: Sequence[tuple[Sample, Sample]], device: torch.device
) -> list[Regions | None]:
    """Return the Regions of pairs of drawings; None where one cannot be read, and nothing where there is no map.

    Args:
        network: in evaluation mode, on `device`.
        cfg: its configuration.
        pairs: of samples.
        device: where it runs.
    """
    samples = list({sample.path: sample for pair in pairs for sample in pair}.values())
    source, _ = build_source(cfg, "SIZE_TEST", samples)
    transform = build_test_transform(cfg)
    seen: dict[str, tuple[torch.Tensor, torch.Tensor] | None] = {}
    for sample in samples:
        try:
            drawing = source(sample.path)
        except DataError:
            seen[sample.path] = None
            continue
        image = torch.tensor(drawing)[None] if transform is None else transform(Image.fromarray(drawing))
        with torch.inference_mode():
            maps = network.feature_maps(to_device(image[None], device), torch.tensor([sample.domain]))
        if maps is None or maps.ndim != 4 or maps.shape[2] * maps.shape[3] < LEAST:
            return []
        seen[sample.path] = image, maps[0].float().cpu()
    found = []
    for pair in pairs:
        first, second = (seen[sample.path] for sample in pair)
        if first is None or second is None:
            found.append(None)
        else:
            found.append(Regions(first[0][0].numpy(), second[0][0].numpy(), match_patches(*first, *second)))
    return found


def match_patches(
    first: torch.Tensor, first_map: torch.Tensor, second: torch.Tensor, second_map: torch.Tensor, most: int = MOST
) -> list[Match]:
    """Return the mutual nearest patches of two drawings, those of the highest cosine; patches without ink are excluded.

    Args:
        first, second: uint8 [1, height, width], 0 ink, 255 paper.
        first_map, second_map: float32 [channels, height', width'], the features of their patches.
        most: how many matches.
    """
    (one, places), (other, others) = _inked(first, first_map), _inked(second, second_map)
    if not len(one) or not len(other):
        return []
    cosines = one @ other.T
    nearest, back = cosines.argmax(dim=1), cosines.argmax(dim=0)
    mutual = (back[nearest] == torch.arange(len(one))).nonzero()[:, 0].tolist()
    found = [Match(places[row], others[int(nearest[row])], float(cosines[row, nearest[row]])) for row in mutual]
    return sorted(found, key=lambda match: -match.cosine)[:most]


def _inked(image: torch.Tensor, maps: torch.Tensor) -> tuple[torch.Tensor, list[tuple[float, float]]]:
    """Return float32 [patches, channels] of unit length, and the centres, of the patches of an image that have ink."""
    height, width = maps.shape[1:]
    darkest = 255 - F.adaptive_max_pool2d(255 - image[None].float(), (height, width))[0, 0]
    rows, columns = (darkest < DARK).nonzero(as_tuple=True)
    steps = image.shape[1] / height, image.shape[2] / width
    centres = [((x + 0.5) * steps[1], (y + 0.5) * steps[0]) for y, x in zip(rows.tolist(), columns.tolist())]
    return F.normalize(maps[:, rows, columns].T, dim=1), centres
