"""The data set of samples: reads, augments and labels them; random numbers depend on the position in the stream only."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from fastpatent.data.records import Sample
from fastpatent.data.seeding import position_seed, seeded
from fastpatent.errors import DataError

Batch = dict[str, Any]
Key = tuple[int, int]  # (position in the stream, index of the sample)
Slot = tuple[int, np.ndarray]  # (index of the sample, its pixels)


class DrawingDataset(Dataset[Batch]):
    """Images by (position in the stream, index of the sample).

    Args:
        samples: list of `Sample`.
        labels: {identity: label}; other identities, and None, get the label -1.
        source: function of a path -> uint8 [height, width], see `fastpatent.data.image_source`.
        transform: function of a PIL image of mode L -> uint8 [1, height, width], all of one size; None: no transform.
        seed: seed of everything random in `transform`.
        tokenize: function of a list of captions -> int64 [captions, context]; None: captions are not read.
        replaces: another image stands in for one that cannot be read: the next of its identity and domain in the order of
            the samples, or where none of them can be read, the nearest in the batch of its domain, earlier ones first. So
            it depends on the batch and the files alone, and a resumed run repeats it. False: such images are missing.
    """

    def __init__(
        self,
        samples: list[Sample],
        labels: dict[str, int],
        source: Callable[[str], np.ndarray],
        transform: Callable[[Image.Image], torch.Tensor] | None = None,
        seed: int = 0,
        tokenize: Callable[[list[str]], torch.Tensor] | None = None,
        replaces: bool = False,
    ) -> None:
        self.samples, self.source, self.transform, self.seed, self.tokenize = samples, source, transform, seed, tokenize
        self.replaces = replaces
        self.targets = torch.tensor([_label(sample, labels) for sample in samples], dtype=torch.int64)
        self.domains = torch.tensor([sample.domain for sample in samples], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> dict[str, torch.Tensor]:
        """Return the values of a batch for one (position, index), without the batch dimension.

        Raises:
            DataError: the image cannot be read, nor one in its place.
        """
        batch = self.__getitems__([key])
        if "images" not in batch:
            raise DataError(batch["broken"][key[1]])
        return {name: values[0] for name, values in batch.items() if name != "broken"}

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the collated batch of a list of (position, index).

        Returns:
            dict(images uint8 [batch, 1, height, width], or a list of uint8 [1, height, width] where the images differ in
            size; targets, domains, indices, positions int64 [batch]; with `tokenize` texts int64 [batch, context]). Where
            images could not be read also broken {index: reason}; and that alone where nothing is left of the batch, or
            some of it cannot be replaced.
        """
        broken: dict[int, str] = {}
        slots = [self._read(index, broken) for _, index in keys]
        if self.replaces and None in slots:
            slots = [slot or self._nearest(place, slots, keys) for place, slot in enumerate(slots)]
        read = [(position, *slot) for (position, _), slot in zip(keys, slots) if slot]
        noted: Batch = {"broken": broken} if broken else {}
        if not read or (self.replaces and None in slots):
            return noted
        drawings = [drawing for *_, drawing in read]
        if self.transform is None:
            images = _stacked(drawings)
        else:
            images = torch.stack([self._augmented(drawing, position) for position, _, drawing in read])
        positions, indices = (torch.tensor(column, dtype=torch.int64) for column in list(zip(*read))[:2])
        given: Batch = {"targets": self.targets[indices], "domains": self.domains[indices]}
        if self.tokenize:
            captions = [self.samples[index].caption for _, index, _ in read]  # None of them is None: loaders skip these
            given["texts"] = self.tokenize(captions)  # pyright: ignore[reportArgumentType]
        return {"images": images, **given, "indices": indices, "positions": positions, **noted}

    def _read(self, index: int, broken: dict[int, str]) -> Slot | None:
        """Return an image, or one of its identity and domain in its place; None where none can be read.

        Those that cannot are added to `broken`: noted and not raised, they leave a worker process without a traceback.
        """
        for candidate in self._candidates(index):
            if candidate not in broken:
                try:
                    return candidate, self.source(self.samples[candidate].path)
                except DataError as error:
                    broken[candidate] = str(error)
        return None

    def _candidates(self, index: int) -> Iterator[int]:
        """Yield the index of a sample, and then of those that may replace it."""
        yield index
        if self.replaces:
            kind = self.samples[index].identity, self.samples[index].domain
            alike = [other for other, sample in enumerate(self.samples) if (sample.identity, sample.domain) == kind]
            place = alike.index(index)
            yield from alike[place + 1 :] + alike[:place]

    def _nearest(self, place: int, slots: Sequence[Slot | None], keys: Sequence[Key]) -> Slot | None:
        domain = self.samples[keys[place][1]].domain
        others = [*reversed(slots[:place]), *slots[place + 1 :]]
        return next((slot for slot in others if slot and self.samples[slot[0]].domain == domain), None)

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
