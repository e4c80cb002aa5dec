"""The data set of samples: reads, augments and labels them; random numbers depend on the position in the stream only."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from fastpatent.data.records import Sample
from fastpatent.data.seeding import position_seed, seeded
from fastpatent.errors import DataError

Batch = dict[str, torch.Tensor | list[torch.Tensor]]
Key = tuple[int, int]  # (position in the stream, index of the sample)


class DrawingDataset(Dataset[Batch]):
    """Images by (position in the stream, index of the sample).

    Args:
        samples: list of `Sample`.
        labels: {identity: label}; other identities, and None, get the label -1.
        source: function of a path -> uint8 [height, width], see `fastpatent.data.image_source`.
        transform: function of a PIL image of mode L -> uint8 [1, height, width], all of one size; None: no transform.
        seed: seed of everything random in `transform`.
        tokenize: function of a list of captions -> int64 [captions, context]; None: captions are not read.
    """

    def __init__(
        self,
        samples: list[Sample],
        labels: dict[str, int],
        source: Callable[[str], np.ndarray],
        transform: Callable[[Image.Image], torch.Tensor] | None = None,
        seed: int = 0,
        tokenize: Callable[[list[str]], torch.Tensor] | None = None,
    ) -> None:
        self.samples, self.source, self.transform, self.seed, self.tokenize = samples, source, transform, seed, tokenize
        self.targets = torch.tensor([_label(sample, labels) for sample in samples], dtype=torch.int64)
        self.domains = torch.tensor([sample.domain for sample in samples], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> dict[str, torch.Tensor]:
        """Return the values of a batch for one (position, index), without the batch dimension."""
        return {name: values[0] for name, values in self._batch([key]).items()}

    def __getitems__(self, keys: Sequence[Key]) -> Batch | DataError:
        """Return the collated batch of a list of (position, index).

        Returns:
            dict(images uint8 [batch, 1, height, width], or a list of uint8 [1, height, width] where the images differ in
            size; targets, domains, indices, positions int64 [batch]; with `tokenize` texts int64 [batch, context]). If an
            image cannot be read, its DataError: returned, not raised, it leaves a worker process without a traceback.
        """
        try:
            return self._batch(keys)
        except DataError as error:
            return error

    def _batch(self, keys: Sequence[Key]) -> Batch:
        positions, indices = (torch.tensor(column, dtype=torch.int64) for column in zip(*keys))
        drawings = [self.source(self.samples[index].path) for _, index in keys]
        if self.transform is None:
            images = _stacked(drawings)
        else:
            images = torch.stack([self._augmented(drawing, position) for drawing, (position, _) in zip(drawings, keys)])
        given: Batch = {"targets": self.targets[indices], "domains": self.domains[indices]}
        if self.tokenize:
            captions = [self.samples[index].caption for _, index in keys]  # None of them is None: loaders skip such samples
            given["texts"] = self.tokenize(captions)  # pyright: ignore[reportArgumentType]
        return {"images": images, **given, "indices": indices, "positions": positions}

    def _augmented(self, drawing: np.ndarray, position: int) -> torch.Tensor:
        assert self.transform is not None
        with seeded(position_seed(self.seed, position)):
            return self.transform(Image.fromarray(drawing))


def _label(sample: Sample, labels: dict[str, int]) -> int:
    return -1 if sample.identity is None else labels.get(sample.identity, -1)


def _stacked(drawings: list[np.ndarray]) -> torch.Tensor | list[torch.Tensor]:
    if len({drawing.shape for drawing in drawings}) == 1:
        return torch.from_numpy(np.stack(drawings)).unsqueeze(1)
    return [torch.from_numpy(drawing.copy()).unsqueeze(0) for drawing in drawings]
