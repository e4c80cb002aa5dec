"""Batches from the loader onto the device: copied beside the running step, and augmented there where the loader says so."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch

from fastpatent.data.loader import TrainLoader
from fastpatent.device import to_device

ON_DEVICE = ("images", "targets", "texts")


class Batch(NamedTuple):
    """What one step trains on.

    Attributes:
        images: uint8 [batch, 1, height, width] on the device.
        targets: int64 [batch] on the device, labels of identities.
        domains: int64 [batch] on the CPU, so that a network that splits the batch by them does not wait for the device; see
            `fastpatent.data.records.Sample`.
        indices: int64 [batch] on the CPU, which training samples these are.
        texts: int64 [batch, context] on the device, tokens of the captions; None where the network reads none.
    """

    images: torch.Tensor
    targets: torch.Tensor
    domains: torch.Tensor
    indices: torch.Tensor
    texts: torch.Tensor | None = None

    @property
    def inputs(self) -> tuple[torch.Tensor, ...]:
        """The arguments of the network."""
        return (self.images, self.targets, self.domains) + (() if self.texts is None else (self.texts,))

    def parts(self, count: int) -> list["Batch"]:
        """Return `count` Batches of equal size, in order."""
        columns = [[None] * count if tensor is None else tensor.chunk(count) for tensor in self]
        return [Batch(*part) for part in zip(*columns)]


class DeviceFeed:
    """Iterate over a loader's batches as `Batch` on a device.

    On a GPU the copy (uint8, from pinned memory) and the augmentation run in a stream of their own: they start while the
    step before is still computing, and the host does not wait for them.

    Args:
        loader: yields dicts of images (uint8 [batch, 1, height, width]), targets, domains, indices and positions (int64
            [batch]), and where the network reads captions texts (int64 [batch, context]); its `augmentation` is None or a
            function of (images, positions).
        device: torch.device.
    """

    def __init__(self, loader: TrainLoader, device: torch.device) -> None:
        self.loader, self.device = loader, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            with torch.cuda.stream(self._stream) if self._stream else nullcontext():
                sent = [to_device(batch[name], self.device) for name in ON_DEVICE if name in batch]
                images, targets, *texts = sent
                if self.loader.augmentation:
                    images = self.loader.augmentation(images, batch["positions"])
            if self._stream:
                computing = torch.cuda.current_stream(self.device)
                computing.wait_stream(self._stream)
                for tensor in (images, *sent):
                    tensor.record_stream(computing)  # its memory is not reused before the step has finished
            yield Batch(images, targets, batch["domains"], batch["indices"], *texts)
