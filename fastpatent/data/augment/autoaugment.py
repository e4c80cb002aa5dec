"""AutoAugment of batches: a policy is sampled per image; each operation runs on all its images at once."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from fastpatent.data.augment.enhance import adjust_contrast, adjust_sharpness
from fastpatent.data.augment.moves import move, source_matrix, sources
from fastpatent.data.augment.policies import MOVES, Operation, Policies, apply
from fastpatent.data.augment.random_slots import AUTOAUGMENT_SLOTS, Action
from fastpatent.device import to_device

LOOKUPS = ("Posterize", "Solarize", "Invert")  # a function of the grey level
ENHANCEMENTS = {"Contrast": adjust_contrast, "Sharpness": adjust_sharpness}
LEVELS = 256
CPU = torch.device("cpu")


class AutoAugment:
    """Apply one of the ImageNet policies to each image, with a probability; see `policies`.

    Rotations, shears and grey level maps use tables: they need no copy from the host, give the same pixels on every device,
    and do not split the batch by magnitude.

    Args:
        probability: probability that an image gets a policy.
        fill: grey level of uncovered areas.
    """

    slots = AUTOAUGMENT_SLOTS

    def __init__(self, probability: float, fill: int) -> None:
        self.probability, self.fill = probability, fill
        self._policies = Policies()
        operations = self._policies.operations
        self._moves = [one for one in operations if one.name in MOVES and not one.bicubic]
        self._lookups = [one for one in operations if one.name in LOOKUPS]
        families: list[tuple[Callable[..., torch.Tensor], list[Operation]]] = [
            (partial(self._move, bicubic), [one._replace(bicubic=bicubic) for one in self._moves])
            for bicubic in (False, True)
        ]
        families.append((self._look_up, self._lookups))
        for operation in operations:
            if operation.name in ENHANCEMENTS:
                change = partial(ENHANCEMENTS[operation.name], factor=operation.magnitude)
                families.append((partial(_change, change), [operation]))
            elif operation.name not in MOVES + LOOKUPS:
                families.append((partial(_change, partial(apply, operation, fill=fill)), [operation]))
        self._families = [(function, np.array([operations.index(one) for one in members])) for function, members in families]
        self._tables: dict[tuple[str, tuple[int, ...], torch.device], torch.Tensor] = {}  # by kind, size and device

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for every kind of operation, for the first operations of the policies, then for the second.

        Args:
            uniforms: float64 [batch, 8], see `Policies.choose`.
            height, width: of the images, in pixels.
        """
        for numbers in self._policies.choose(uniforms, self.probability).T:
            for function, members in self._families:
                rows = np.flatnonzero(np.isin(numbers, members))
                if len(rows):
                    yield Action(function, (rows, np.searchsorted(members, numbers[rows])))

    def _move(self, bicubic: bool, images: torch.Tensor, rows: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        places = self._table(self._sources, images.device, *images.shape[2:]).index_select(0, moves)
        return images.index_copy_(0, rows, move(images.index_select(0, rows), places, bicubic, self.fill))

    def _look_up(self, images: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        levels = self._table(self._levels, images.device).index_select(0, places)
        chosen = images.index_select(0, rows)
        return images.index_copy_(0, rows, levels.gather(1, chosen.flatten(1).long()).view_as(chosen))

    def _table(self, build: Callable[..., torch.Tensor], device: torch.device, *size: int) -> torch.Tensor:
        """Return build(*size) on a device; it is computed once, on the CPU."""
        key = (build.__name__, size, device)
        if key not in self._tables:
            on_cpu = build(*size) if device == CPU else self._table(build, CPU, *size)
            self._tables[key] = to_device(on_cpu, device)
        return self._tables[key]

    def _sources(self, height: int, width: int) -> torch.Tensor:
        """Return float32 [moves, 2, pixels], see `moves.sources`."""
        matrices = [source_matrix(one.name, one.magnitude, height, width) for one in self._moves]
        return sources(torch.tensor(matrices, dtype=torch.float64), height, width)

    def _levels(self) -> torch.Tensor:
        """Return uint8 [lookups, LEVELS]: the output for every grey level."""
        levels = torch.arange(LEVELS, dtype=torch.uint8).view(1, 1, LEVELS)
        return torch.stack([apply(operation, levels, self.fill).flatten() for operation in self._lookups])


def _change(
    function: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, rows: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    return images.index_copy_(0, rows, function(images.index_select(0, rows)))
