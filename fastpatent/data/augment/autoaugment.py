"""AutoAugment of batches: torchvision's policies, sampled per image; each operation runs on all its images at once."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.data.augment.enhance import adjust_contrast, adjust_sharpness
from fastpatent.data.augment.policies import Operation, Policies
from fastpatent.data.augment.random_slots import AUTOAUGMENT_SLOTS, Action, whole

MOVES = ("Rotate", "ShearX")  # every pixel is copied from another place or filled
LOOKUPS = ("Posterize", "Solarize", "Invert")  # a function of the grey level
ENHANCEMENTS = {"Contrast": adjust_contrast, "Sharpness": adjust_sharpness}
WITHOUT_EFFECT = ("Color",)  # grey images have no saturation
LEVELS = 256
CPU = torch.device("cpu")


class AutoAugment:
    """Apply one of torchvision's ImageNet policies to each image, with a probability.

    Rotations, shears and grey level maps use lookup tables, built by torchvision's own functions: they need no copy from the
    host, give the same pixels on every device, and do not split the batch by magnitude.

    Args:
        probability: probability that an image gets a policy.
        fill: grey level of uncovered areas.
    """

    slots = AUTOAUGMENT_SLOTS

    def __init__(self, probability: float, fill: int = 0) -> None:
        self.probability, self.fill = probability, fill
        self._policies = Policies(fill)
        self._chances, self._codes, operations = _tabulate(self._policies)
        self._moves = [operation for operation in operations if operation.name in MOVES]
        self._lookups = [operation for operation in operations if operation.name in LOOKUPS]
        families: list[tuple[Callable[..., torch.Tensor], list[Operation]]] = [
            (self._move, self._moves),
            (self._look_up, self._lookups),
        ]
        for operation in operations:
            if operation.name in ENHANCEMENTS:
                factor = 1 + self._policies.magnitude(operation, 1, 1)  # the same at all sizes
                families.append((partial(_change, partial(ENHANCEMENTS[operation.name], factor=factor)), [operation]))
            elif operation.name not in MOVES + LOOKUPS:
                families.append((partial(_change, partial(self._policies.apply, operation)), [operation]))
        self._families = [(function, np.array([operations[one] for one in members])) for function, members in families]
        self._tables: dict[tuple[str, tuple[int, ...], torch.device], torch.Tensor] = {}  # by kind, size and device

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for every kind of operation, for the first operations of the policies, then for the second.

        Args:
            uniforms: float64 [batch, 6]: for applying a policy, its choice, its two operations, and their signs.
            height, width: of the images, in pixels.
        """
        chosen = uniforms[:, 0] < self.probability
        policy = whole(uniforms[:, 1], len(self._codes))
        for stage in (0, 1):
            applies = chosen & (uniforms[:, 2 + stage] < self._chances[policy, stage])
            negative = whole(uniforms[:, 4 + stage], 2)
            codes = np.where(applies, self._codes[policy, stage, negative], -1)
            for function, members in self._families:
                rows = np.flatnonzero(np.isin(codes, members))
                if len(rows):
                    yield Action(function, (rows, np.searchsorted(members, codes[rows])))

    def _move(self, images: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        sources = self._table(self._sources, images.device, height, width).index_select(0, places)
        pixels = F.pad(images.index_select(0, rows).flatten(1), (0, 1), value=self.fill)
        return images.index_copy_(0, rows, pixels.gather(1, sources).view(-1, 1, height, width))

    def _look_up(self, images: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        levels = self._table(self._levels, images.device).index_select(0, places)
        chosen = images.index_select(0, rows)
        return images.index_copy_(0, rows, levels.gather(1, chosen.flatten(1).long()).view_as(chosen))

    def _table(self, build: Callable[..., torch.Tensor], device: torch.device, *size: int) -> torch.Tensor:
        """Return build(*size) on a device; it is computed once, on the CPU."""
        key = (build.__name__, size, device)
        if key not in self._tables:
            on_cpu = build(*size) if device == CPU else self._table(build, CPU, *size)
            self._tables[key] = on_cpu.to(device, non_blocking=True)
        return self._tables[key]

    def _sources(self, height: int, width: int) -> torch.Tensor:
        """Return int64 [moves, pixels]: the index of the source of each pixel, or the number of pixels if it is filled."""
        pixels = height * width
        numbers = torch.arange(pixels, dtype=torch.float32).view(1, height, width)  # exact: 2**24 is 4096 x 4096
        policies = Policies(fill=pixels)
        return torch.stack([policies.apply(operation, numbers).flatten().long() for operation in self._moves])

    def _levels(self) -> torch.Tensor:
        """Return uint8 [lookups, LEVELS]: the output for every grey level."""
        levels = torch.arange(LEVELS, dtype=torch.uint8).view(1, 1, LEVELS)
        return torch.stack([self._policies.apply(operation, levels).flatten() for operation in self._lookups])


def _change(
    function: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, rows: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    return images.index_copy_(0, rows, function(images.index_select(0, rows)))


def _tabulate(policies: Policies) -> tuple[np.ndarray, np.ndarray, dict[Operation, int]]:
    """Number the operations of the policies.

    Returns:
        chances: float64 [policies, 2]: probabilities of the first and the second operation.
        codes: int64 [policies, 2, 2]: number of the operation with positive and negative magnitude; -1: no effect on grey.
        operations: {Operation: its number}.
    """
    chances = np.array([[chance for _, chance, _ in policy] for policy in policies.table])
    codes = np.full((len(chances), 2, 2), -1)
    operations: dict[Operation, int] = {}
    for number, policy in enumerate(policies.table):
        for stage, (name, _, index) in enumerate(policy):
            if name not in WITHOUT_EFFECT:
                for minus in (False, True):
                    operation = Operation(name, index, minus and policies.is_signed(name))
                    codes[number, stage, int(minus)] = operations.setdefault(operation, len(operations))
    return chances, codes, operations
