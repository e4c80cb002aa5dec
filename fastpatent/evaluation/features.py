"""From drawings to features: one float32 row per drawing, in order, over one process or many."""

import torch

from fastpatent import distributed
from fastpatent.errors import DataError


@torch.inference_mode()
def extract_features(model, loader, device, precision, flip=False, on_batch=None):
    """Run the network over every drawing of a loader.

    Args:
        model: `model(images)` maps uint8 [batch, 1, height, width] to features [batch, dim]; put into evaluation mode here.
        loader: yields dicts with `images` and `indices` (int64 [batch]) over `drawings[rank::world size]`, this
            process's share of the list.
        device: torch.device that holds the model.
        precision: number format of the forward pass, with an `autocast(device)` context.
        flip: average with the features of the mirrored drawings (TEST.FLIP).
        on_batch: called with the number of drawings done after each batch.

    Returns:
        float32 array [drawings, dim], row i for drawing i of the whole list; None on every process but the first.
    """
    was_training = model.training
    model.eval()
    rows, indices = [], []
    try:
        for batch in loader:
            images = batch["images"].to(device, non_blocking=True)
            with precision.autocast(device):
                features = model(images).float()
                if flip:
                    features = (features + model(images.flip(-1)).float()) / 2
            rows.append(features.cpu())
            indices.append(batch["indices"] * distributed.world_size() + distributed.rank())
            if on_batch:
                on_batch(sum(map(len, indices)))
    finally:
        model.train(was_training)
    return _in_order(rows, indices)


def _in_order(rows, indices):
    """Join the rows of all processes in the first one and put them in the order of the drawings."""
    parts = distributed.collect((rows, indices))
    if parts is None:
        return None
    rows, indices = (sum(part, []) for part in zip(*parts))
    if not rows:
        raise DataError("there is no drawing to extract features from")
    rows, indices = torch.cat(rows), torch.cat(indices)
    ordered = torch.empty_like(rows)
    ordered[indices] = rows
    return ordered.numpy()
