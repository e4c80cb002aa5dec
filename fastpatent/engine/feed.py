"""Batches from the loader onto the device: copied beside the running step, and augmented there where the loader says so."""

from contextlib import nullcontext
from typing import NamedTuple

import torch


class Batch(NamedTuple):
    """What one step trains on.

    Attributes:
        images: uint8 [batch, 1, height, width] on the device.
        targets: int64 [batch] on the device, labels of identities.
        domains: int64 [batch] on the CPU, where a network that splits the batch by them need not wait for the device; see
            `fastpatent.data.samples.Sample`.
        indices: int64 [batch] on the CPU, which training samples these are.
    """

    images: torch.Tensor
    targets: torch.Tensor
    domains: torch.Tensor
    indices: torch.Tensor

    def parts(self, count):
        """Return `count` Batches of equal size, in order."""
        return [Batch(*part) for part in zip(*(tensor.chunk(count) for tensor in self))]


class DeviceFeed:
    """Iterate over a loader's batches as `Batch` on a device.

    On a card the copy (uint8, from pinned memory) and the augmentation run in a stream of their own: they are started while
    the step before still computes, and nothing waits for them but the card itself.

    Args:
        loader: yields dicts of images (uint8 [batch, 1, height, width]), targets, domains, indices and positions (int64
            [batch]); its `augmentation` is None or a function of (images, positions).
        device: torch.device.
    """

    def __init__(self, loader, device):
        self.loader, self.device = loader, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __iter__(self):
        for batch in self.loader:
            with torch.cuda.stream(self._stream) if self._stream else nullcontext():
                images, targets = (batch[name].to(self.device, non_blocking=True) for name in ("images", "targets"))
                if self.loader.augmentation:
                    images = self.loader.augmentation(images, batch["positions"])
            if self._stream:
                computing = torch.cuda.current_stream(self.device)
                computing.wait_stream(self._stream)
                for tensor in (images, targets):
                    tensor.record_stream(computing)  # its memory is not given away before the step is through with it
            yield Batch(images, targets, batch["domains"], batch["indices"])
