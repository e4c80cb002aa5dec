"""From drawings to features: one float32 row per drawing, in order, over one process or many."""

from collections import deque
from typing import NamedTuple

import torch

from fastpatent import distributed
from fastpatent.errors import DataError

UNDER_WAY = 2  # batches that the device may be behind: it computes one while the drawings of the next are handed to it


@torch.inference_mode()
def extract_features(model, loader, device, precision, flip=False, on_batch=None):
    """Run the network over every drawing of a loader.

    Reading, the way to the device, computing and the way back overlap: batches are only queued on the device, and the host
    waits for the rows of one when UNDER_WAY later ones are queued.

    Args:
        model: `model(images)` maps uint8 [batch, 1, height, width] to features [batch, dim]; put into evaluation mode here.
        loader: yields dicts with `images` and `indices` (int64 [batch]) over its `dataset`, every drawing once; these are
            `drawings[rank::world size]`, this process's share of the list.
        device: torch.device that holds the model.
        precision: number format of the forward pass, with an `autocast(device)` context.
        flip: average with the features of the mirrored drawings (TEST.FLIP).
        on_batch: called with the number of drawings done after each batch.

    Returns:
        float32 array [drawings, dim], row i for drawing i of the whole list; None on every process but the first.

    Raises:
        DataError: there is no drawing.
    """
    was_training = model.training
    model.eval()
    rows, done = torch.empty(0, 0), 0
    try:
        for indices, features in _landed(_queued(model, loader, device, precision, flip)):
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


def _queued(model, loader, device, precision, flip):
    """Yield (indices, float32 features [batch, dim] on the device) of every batch, which the device may still compute."""
    for batch in loader:
        images = batch["images"].to(device, non_blocking=True)
        with precision.autocast(device):
            features = model(images).float()
            if flip:
                features = (features + model(images.flip(-1)).float()) / 2
        yield batch["indices"], features


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
