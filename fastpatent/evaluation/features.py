"""From drawings to features: one float32 row per drawing, in order, over one process or many."""

from collections import deque
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F

from fastpatent import distributed
from fastpatent.errors import ConfigError, DataError

UNDER_WAY = 2  # batches that the device may be behind: it computes one while the drawings of the next are handed to it


@torch.inference_mode()
def extract_features(model, loader, device, precision, flip=False, on_batch=None, scales=(1.0,)):
    """Run the network over every drawing of a loader.

    Reading, the way to the device, computing and the way back overlap: batches are only queued on the device, and the host
    waits for the rows of one when UNDER_WAY later ones are queued.

    Args:
        model: `model(images, domains=domains)` maps uint8 (float32 at other scales than 1) [batch, 1, height, width] on the
            device and int64 [batch] on the CPU to features [batch, dim]; put into evaluation mode here.
        loader: yields dicts with `images`, `domains` and `indices` (int64 [batch]) over its `dataset`, every drawing once;
            these are `drawings[rank::world size]`, this process's share of the list. Images that come as a list, since they
            differ in size, go through the network in groups of one size.
        device: torch.device that holds the model.
        precision: number format of the forward pass, with an `autocast(device)` context.
        flip: average with the features of the mirrored drawings (TEST.FLIP).
        on_batch: called with the number of drawings done after each batch, or group of one size in it.
        scales: average over the drawing at these sizes (TEST.SCALES): its sides times each, rounded to whole pixels.

    Returns:
        float32 array [drawings, dim], row i for drawing i of the whole list; None on every process but the first.

    Raises:
        DataError: there is no drawing.
        ConfigError: the network takes no drawings of such a size.
    """
    was_training = model.training
    model.eval()
    rows, done = torch.empty(0, 0), 0
    try:
        for indices, features in _landed(_queued(model, loader, device, precision, flip, scales)):
            if not done:
                rows = torch.empty(len(loader.dataset), features.shape[1])
            rows[indices] = features
            done += len(indices)
            if on_batch:
                on_batch(done)
    finally:
        model.train(was_training)
    shares = distributed.collect(rows)
    return None if shares is None else _interleaved(shares)


def _queued(model, loader, device, precision, flip, scales):
    """Yield (indices, float32 features [group, dim] on the device) of every batch, or group of one size in it.

    The device may still compute them.
    """
    for batch in loader:
        for rows, images in _groups(batch["images"], device):
            domains = batch["domains"][rows]
            with precision.autocast(device):
                features = [_features(model, view, domains, scale) for scale, view in _views(images, scales, flip)]
            yield batch["indices"][rows], reduce(torch.add, features) / len(features)


def _groups(images, device):
    """Yield (places in the batch, uint8 [group, 1, height, width] on the device), a group for every size."""
    if isinstance(images, torch.Tensor):
        yield slice(None), images.to(device, non_blocking=True)
        return
    places = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    for group in places.values():
        yield group, torch.stack([images[place].to(device, non_blocking=True) for place in group])


def _views(images, scales, flip):
    """Yield (scale, the drawings at that scale), and after each the mirrored drawings where `flip` asks for them."""
    for scale in scales:
        view = images if scale == 1 else _resized(images, scale)
        yield scale, view
        if flip:
            yield scale, view.flip(-1)


def _resized(images, scale):
    size = [max(round(side * scale), 1) for side in images.shape[2:]]
    return F.interpolate(images.float(), size, mode="bilinear", antialias=True)


def _features(model, images, domains, scale):
    try:
        return model(images, domains=domains).float()
    except AssertionError as error:  # how timm's networks of one size refuse another
        height, width = images.shape[2:]
        keys = "INPUT.FIT, INPUT.SIZE_TEST" if scale == 1 else f"TEST.SCALES: {scale}"
        raise ConfigError(f"{keys}: the network takes no drawings of {height} x {width}: {error}") from error


class _Arrival(NamedTuple):
    """Features on their way to the host."""

    indices: torch.Tensor
    features: torch.Tensor
    event: torch.cuda.Event | None

    def wait(self):
        """Return (indices, features) once they are there."""
        if self.event:
            self.event.synchronize()
        return self.indices, self.features


def _landed(batches):
    """Yield the (indices, features) of `batches` on the host, each once UNDER_WAY later ones are queued."""
    arrivals = deque()
    for indices, features in batches:
        arrivals.append(_send(indices, features))
        if len(arrivals) > UNDER_WAY:
            yield arrivals.popleft().wait()
    while arrivals:
        yield arrivals.popleft().wait()


def _send(indices, features):
    """Queue the copy to the host behind the computation; without a card it is done at once, where it is needed at all."""
    if features.device.type != "cuda":
        return _Arrival(indices, features.cpu(), None)
    copied = features.to("cpu", non_blocking=True)  # to pinned memory, of which torch keeps a store
    event = torch.cuda.Event(blocking=True)  # waiting sleeps: the processes that read need the core
    event.record(torch.cuda.current_stream(features.device))
    return _Arrival(indices, copied, event)


def _interleaved(shares):
    """Put the rows of all processes in the order of the drawings: of n shares, the r-th has rows r, r + n, r + 2n..."""
    if not len(shares[0]):
        raise DataError("there is no drawing to extract features from")
    rows = shares[0]
    if len(shares) > 1:
        rows = rows.new_empty(sum(map(len, shares)), rows.shape[1])
        for rank, share in enumerate(shares):
            if len(share):  # with fewer drawings than processes some have none
                rows[rank :: len(shares)] = share
    return rows.numpy()
