"""Samples as tensors: read, transform, label; with chance fixed by the place in the stream."""

from torch.utils.data import Dataset, default_collate

from fastpatent.data.image import open_drawing
from fastpatent.data.seeding import position_seed, seeded
from fastpatent.errors import DataError


class DrawingDataset(Dataset):
    """Drawings by (position in the stream, index of the sample).

    Args:
        samples: list of `Sample`.
        labels: {identity: label}; other identities, and None, get -1.
        transform: function of a PIL image of mode L -> uint8 [1, height, width].
        seed: of everything random in `transform`.
    """

    def __init__(self, samples, labels, transform, seed=0):
        self.samples, self.labels, self.transform, self.seed = samples, labels, transform, seed

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, key):
        position, index = key
        path, identity = self.samples[index]
        drawing = open_drawing(path)
        with seeded(position_seed(self.seed, position)):
            image = self.transform(drawing)
        return {"images": image, "targets": self.labels.get(identity, -1), "indices": index}

    def __getitems__(self, keys):
        """Return a batch's items, or the DataError of one: as a value it leaves a worker process without a traceback."""
        try:
            return [self[key] for key in keys]
        except DataError as error:
            return error


def collate(items):
    """Stack items to dict(images uint8 [batch, 1, height, width], targets int64 [batch], indices int64 [batch])."""
    return items if isinstance(items, DataError) else default_collate(items)
