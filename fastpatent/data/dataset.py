"""Samples as batches of tensors: read, augment, label; with chance fixed by the place in the stream."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from fastpatent.data.seeding import position_seed, seeded
from fastpatent.errors import DataError


class DrawingDataset(Dataset):
    """Drawings by (position in the stream, index of the sample).

    Args:
        samples: list of `Sample`.
        labels: {identity: label}; other identities, and None, get -1.
        source: function of a path -> uint8 [height, width], see `fastpatent.data.source`.
        transform: function of a PIL image of mode L -> uint8 [1, height, width], all of one size; None leaves drawings as
            they are.
        seed: of everything random in `transform`.
        tokenize: function of a list of captions -> int64 [captions, context]; None where no caption is read.
    """

    def __init__(self, samples, labels, source, transform=None, seed=0, tokenize=None):
        self.samples, self.source, self.transform, self.seed, self.tokenize = samples, source, transform, seed, tokenize
        self.targets = torch.tensor([labels.get(sample.identity, -1) for sample in samples], dtype=torch.int64)
        self.domains = torch.tensor([sample.domain for sample in samples], dtype=torch.int64)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, key):
        """Return the values of a batch for one (position, index), without the batch's dimension."""
        return {name: values[0] for name, values in self._batch([key]).items()}

    def __getitems__(self, keys):
        """Return the batch of a list of (position, index), in one piece.

        Returns:
            dict(images uint8 [batch, 1, height, width], or a list of uint8 [1, height, width] where the drawings differ in
            size; targets, domains, indices, positions int64 [batch]; with `tokenize` texts int64 [batch, context]); or the
            DataError of one drawing, for as a value it leaves a worker process without a traceback.
        """
        try:
            return self._batch(keys)
        except DataError as error:
            return error

    def _batch(self, keys):
        positions, indices = (torch.tensor(column, dtype=torch.int64) for column in zip(*keys))
        drawings = [self.source(self.samples[index].path) for _, index in keys]
        if self.transform is None:
            images = _stacked(drawings)
        else:
            images = torch.stack([self._augmented(drawing, position) for drawing, (position, _) in zip(drawings, keys)])
        told = {"targets": self.targets[indices], "domains": self.domains[indices]}
        if self.tokenize:
            told["texts"] = self.tokenize([self.samples[index].caption for _, index in keys])
        return {"images": images, **told, "indices": indices, "positions": positions}

    def _augmented(self, drawing, position):
        with seeded(position_seed(self.seed, position)):
            return self.transform(Image.fromarray(drawing))


def _stacked(drawings):
    if len({drawing.shape for drawing in drawings}) == 1:
        return torch.from_numpy(np.stack(drawings)).unsqueeze(1)
    return [torch.from_numpy(drawing.copy()).unsqueeze(0) for drawing in drawings]
