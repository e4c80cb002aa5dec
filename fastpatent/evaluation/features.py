"""From images to features: one float32 row per image, in order, over one process or many."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent import distributed
from fastpatent.data.loader import DrawingLoader
from fastpatent.device import Precision, to_device, without_cudnn_benchmark
from fastpatent.errors import DataError
from fastpatent.models import Network
from fastpatent.models.image_size import sizes_as_errors

UNDER_WAY = 2  # batches that the device may be behind: it computes one while the images of the next are copied to it


class Features(NamedTuple):
    """The features of one data set by one system.

    Attributes:
        name: the system, for tables.
        query: float32 [queries, dim].
        gallery: float32 [gallery, dim].
        metric: how they are compared: cosine, euclidean or normalized_euclidean.
    """

    name: str
    query: np.ndarray
    gallery: np.ndarray
    metric: str = "cosine"

    @property
    def all(self) -> np.ndarray:
        """Queries, then gallery, float32 [images, dim]; a copy."""
        return np.concatenate([self.query, self.gallery])


def all_equal(*features: np.ndarray) -> bool:
    """Return whether there are two rows or more in arrays [rows, dim], all the same; it stops at the first that differs."""
    rows = chain.from_iterable(features)
    first = next(rows, np.empty(0))
    return sum(map(len, features)) > 1 and all(np.array_equal(row, first) for row in rows)


@torch.inference_mode()
def extract_features(
    model: Network,
    loader: DrawingLoader,
    device: torch.device,
    precision: Precision,
    flip: bool = False,
    on_batch: Callable[[int], None] | None = None,
    scales: Sequence[float] = (1.0,),
    turns: bool = False,
) -> np.ndarray | None:
    """Run the network over every image of a loader.

    Reading, copying to the device, computing and copying back overlap: batches are only queued on the device, and the host
    waits for the rows of one when UNDER_WAY later ones are queued.

    Args:
        model: the network; in evaluation mode during this call.
        loader: yields dicts with `images`, `domains` and `indices` (int64 [batch]) over its `dataset`, every image once;
            these are `images[rank::world size]`, this process's share of the list. Images of different sizes come as a
            list and go through the network in groups of one size.
        device: torch.device that holds the model.
        precision: number format of the forward pass.
        flip: average with the features of the mirrored images (TEST.FLIP).
        on_batch: called with the number of images done after each batch, or group of one size in it.
        scales: average over the image at these sizes (TEST.SCALES): its sides times each, rounded to whole pixels.
        turns: average over the image turned by 0, 90, 180 and 270 degrees (TEST.TURNS), of every scale and mirror image.

    Returns:
        float32 array [images, dim], row i for image i of the whole list, NaN where the loader's batches lack it because it
        cannot be read; None on every process but the first.

    Raises:
        DataError: there is no image.
        ConfigError: the network does not take images of this size.
    """
    was_training = model.training
    model.eval()
    rows, done = torch.empty(0, 0), 0
    try:
        with without_cudnn_benchmark():  # images of many sizes may pass
            for indices, features in _landed(_queued(model, loader, device, precision, flip, scales, turns)):
                if not done:
                    rows = torch.full((len(loader.dataset), features.shape[1]), torch.nan)  # pyright: ignore[reportArgumentType]
                rows[indices] = features
                done += len(indices)
                if on_batch:
                    on_batch(done)
    finally:
        model.train(was_training)
    shares = distributed.collect(rows)
    return None if shares is None else _interleaved(shares)


def _queued(
    model: Network,
    loader: DrawingLoader,
    device: torch.device,
    precision: Precision,
    flip: bool,
    scales: Sequence[float],
    turns: bool,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (indices, float32 features [group, dim] on the device) of every batch, or group of one size in it.

    The device may still compute them.
    """
    for batch in loader:
        for rows, images in _groups(batch["images"], device):
            with precision.autocast(device):
                features = embed_views(model, images, batch["domains"][rows], flip, scales, turns)
            yield batch["indices"][rows], features


def embed_views(
    model: Network,
    images: torch.Tensor,
    domains: torch.Tensor | None = None,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    turns: bool = False,
) -> torch.Tensor:
    """Return float32 features [batch, dim], the mean over the views of each image; arguments as `extract_features`.

    Args:
        images: uint8 [batch, 1, height, width].
        domains: see `Network.embed_images`.
    """
    features = [_features(model, view, domains, keys) for keys, view in _views(images, scales, turns, flip)]
    return reduce(torch.add, features) / len(features)


def _groups(
    images: torch.Tensor | list[torch.Tensor], device: torch.device
) -> Iterator[tuple[slice | list[int], torch.Tensor]]:
    """Yield (places in the batch, uint8 [group, 1, height, width] on the device), a group for every size."""
    if isinstance(images, torch.Tensor):
        yield slice(None), to_device(images, device)
        return
    places: dict[torch.Size, list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    for group in places.values():
        yield group, torch.stack([to_device(images[place], device) for place in group])


def _views(images: torch.Tensor, scales: Sequence[float], turns: bool, flip: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield (keys that decide the size, the images at a scale in a turn), and after each the mirrored ones with `flip`."""
    for scale in scales:
        keys = "INPUT.FIT, INPUT.SIZE_TEST" if scale == 1 else f"TEST.SCALES: {scale}"
        view = images if scale == 1 else _resized(images, scale)
        for turn in range(4 if turns else 1):
            if turn:
                view = view.rot90(1, (2, 3))
            deciding = f"TEST.TURNS, {keys}" if turn else keys
            yield deciding, view
            if flip:
                yield deciding, view.flip(-1)


def _resized(images: torch.Tensor, scale: float) -> torch.Tensor:
    size = [max(round(side * scale), 1) for side in images.shape[2:]]
    return F.interpolate(images.float(), size, mode="bilinear", antialias=True)


def _features(model: Network, images: torch.Tensor, domains: torch.Tensor | None, keys: str) -> torch.Tensor:
    with sizes_as_errors(keys, *images.shape[2:]):
        return model.embed_images(images, domains).float()


class _Arrival(NamedTuple):
    """Features on their way to the host."""

    indices: torch.Tensor
    features: torch.Tensor
    event: torch.cuda.Event | None

    def wait(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (indices, features) once they have arrived."""
        if self.event:
            self.event.synchronize()
        return self.indices, self.features


def _landed(
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the (indices, features) of `batches` on the host, each once UNDER_WAY later ones are queued."""
    arrivals: deque[_Arrival] = deque()
    for indices, features in batches:
        arrivals.append(_send(indices, features))
        if len(arrivals) > UNDER_WAY:
            yield arrivals.popleft().wait()
    while arrivals:
        yield arrivals.popleft().wait()


def _send(indices: torch.Tensor, features: torch.Tensor) -> _Arrival:
    """Queue the copy to the host behind the computation; without a GPU it is done at once."""
    if features.device.type != "cuda":
        return _Arrival(indices, features.cpu(), None)
    copied = features.to("cpu", non_blocking=True)  # to pinned memory, which torch reuses
    event = torch.cuda.Event(blocking=True)  # sleep while waiting: the processes that read need the core
    event.record(torch.cuda.current_stream(features.device))
    return _Arrival(indices, copied, event)


def _interleaved(shares: list[torch.Tensor]) -> np.ndarray:
    """Put the rows of all processes in the order of the images: of n shares, the r-th has rows r, r + n, r + 2n..."""
    if not len(shares[0]):
        raise DataError("there is no image to extract features from")
    rows = shares[0]
    if len(shares) > 1:
        rows = rows.new_empty(sum(map(len, shares)), rows.shape[1])
        for rank, share in enumerate(shares):
            if len(share):  # with fewer images than processes some have none
                rows[rank :: len(shares)] = share
    return rows.numpy()
