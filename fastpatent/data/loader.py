"""Batches of images for training and for extraction, read ahead of need by worker processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.augment.batch import augments_on_device, build_batch_augmentation
from fastpatent.data.batch_sampler import BatchStream, OrderedBatches
from fastpatent.data.dataset import DrawingDataset
from fastpatent.data.image_source import build_source
from fastpatent.data.load_datasets import load_training_set
from fastpatent.data.quarantine import Quarantine
from fastpatent.data.records import Sample, label_map
from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.transforms import build_test_transform, build_train_transform, build_window
from fastpatent.data.workers import killed_worker, leave_quietly, worker_count
from fastpatent.errors import DataError

Tokenize = Callable[[list[str]], torch.Tensor]


class DrawingLoader(DataLoader):
    """DataLoader of the batches of `DrawingDataset.__getitems__`, with its faults as DataError.

    Args:
        dataset: DrawingDataset.
        batches: iterable of lists of (position, index).
        workers: processes that read; 0 reads in this one.
        pin_memory: copy batches to memory from which a CUDA GPU reads faster.
        source_reason: where the images come from, see `build_source`; an attribute.
        quarantine: of the images that cannot be read; an attribute. None allows no such image.

    Iterating raises DataError for an image that cannot be read, where `quarantine` allows no more, and for a worker that was
    killed.
    """

    def __init__(
        self,
        dataset: DrawingDataset,
        batches: Iterable[list[tuple[int, int]]],
        workers: int = 0,
        pin_memory: bool = False,
        source_reason: str = "",
        quarantine: Quarantine | None = None,
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=batches,  # pyright: ignore[reportArgumentType]: keys are pairs, not ints
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=leave_quietly,
            generator=torch.Generator(),  # DataLoader would take its base seed from the state that a checkpoint saves
        )
        self.source_reason, self.quarantine = source_reason, quarantine or Quarantine(dataset.samples)
        self.replaces = dataset.replaces

    def __iter__(self) -> Iterator[dict[str, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, ConnectionError, EOFError) as error:
                if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker (pid"):
                    raise  # of another cause than a dead worker
                raise DataError(killed_worker(self.num_workers)) from error
            broken = batch.pop("broken", {})
            self.quarantine.add(broken)
            if "images" in batch:
                yield batch
            elif self.replaces:
                raise DataError(f"{next(iter(broken.values()))}; no image of the batch can take its place")


class TrainLoader:
    """The endless training batches of this process.

    Attributes:
        samples: list of `Sample`.
        identities: sorted; an identity's place is its label.
        num_classes: number of identities.
        sampler: see `fastpatent.data.samplers`.
        batch_size: samples of this process in a batch.
        batches_per_epoch: the sampler's `epoch_length` // IMS_PER_BATCH, at least 1.
        workers, workers_reason: processes that read, and why so many.
        source_reason: where the images come from, see `build_source`.
        augmentation: BatchAugmentation that the batches have still to go through, with their `positions`; None where the
            workers have augmented the images one by one, or INPUT asks for nothing.
        augmentation_reason: why it is done there.
        tokenize: as given.
        skipped: see `Splits`, of all training sets.
        quarantine: of the images that cannot be read, up to DATALOADER.MAX_BROKEN of them in each process.
    """

    def __init__(
        self,
        cfg: CfgNode,
        samples: list[Sample],
        device: torch.device,
        start_batch: int = 0,
        tokenize: Tokenize | None = None,
        skipped: dict[str, list[str]] | None = None,
    ) -> None:
        labels = label_map(samples)
        self.samples, self.identities, self.num_classes = samples, list(labels), len(labels)
        targets = [labels[str(sample.identity)] for sample in samples]
        self.sampler = SAMPLERS.get(cfg.DATALOADER.SAMPLER_TRAIN)(cfg, targets, samples)
        self.batches_per_epoch = max(self.sampler.epoch_length(len(samples)) // cfg.SOLVER.IMS_PER_BATCH, 1)
        world = distributed.rank(), distributed.world_size()
        batches = BatchStream(self.sampler, cfg.SOLVER.IMS_PER_BATCH, *world, start_batch)
        self.batch_size = batches.local
        source, self.source_reason = build_source(cfg, "SIZE_TRAIN", samples)
        on_device, self.augmentation_reason = augments_on_device(cfg, device.type)
        self.augmentation = build_batch_augmentation(cfg) if on_device else None
        self.tokenize, self.skipped = tokenize, skipped or {}
        transform = build_window(cfg) if on_device else build_train_transform(cfg)
        dataset = DrawingDataset(samples, labels, source, transform, cfg.SEED, tokenize, replaces=True)
        self.workers, self.workers_reason = worker_count(cfg.DATALOADER.NUM_WORKERS)
        self.quarantine = Quarantine(
            samples, cfg.DATALOADER.MAX_BROKEN, "another image is trained on instead", cfg.OUTPUT_DIR, start_batch > 0
        )
        self._loader = DrawingLoader(dataset, batches, self.workers, device.type == "cuda", quarantine=self.quarantine)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:  # a stream that is mined ends with an epoch, and continues with the next
            yield from self._loader


def build_train_loader(
    cfg: CfgNode, device: torch.device, start_batch: int = 0, tokenize: Tokenize | None = None
) -> TrainLoader:
    """Read the training set and return a TrainLoader for a network on `device` that begins at global batch `start_batch`.

    With `tokenize` (see `DrawingDataset`) images without a caption are skipped.

    Raises:
        ConfigError: the batch size does not fit; DataError: lists or images are missing.
    """
    skipped: dict[str, list[str]] = {}
    samples = load_training_set(cfg, skipped)
    if tokenize:
        samples = [sample for sample in samples if sample.caption]
        if cfg.MODEL.CLIP.POSITIVES == "class":  # identities are then classes
            samples = [sample._replace(identity=sample.category) for sample in samples if sample.category]
        if not samples:
            raise DataError(
                f"DATASETS.NAMES: no drawing of {', '.join(cfg.DATASETS.NAMES)} has a caption (DATASETS.CAPTIONS)"
            )
    return TrainLoader(cfg, samples, device, start_batch, tokenize, skipped)


def build_test_loader(
    cfg: CfgNode, samples: Sequence[Sample], device: torch.device, tolerant: bool = False
) -> DrawingLoader:
    """Return a DrawingLoader over `samples` in order, TEST.IMS_PER_BATCH at a time.

    They are resized to INPUT.SIZE_TEST, and with INPUT.CROP their centre is cropped. `device` is that of the network that
    they are for. `tolerant`: images that cannot be read are missing in the batches, up to DATALOADER.MAX_BROKEN; else each
    is an error.

    `targets` number the identities among `samples` in sorted order.
    """
    source, reason = build_source(cfg, "SIZE_TEST", samples)
    dataset = DrawingDataset(list(samples), label_map(samples), source, build_test_transform(cfg))
    several = len(samples) > cfg.TEST.IMS_PER_BATCH  # a single batch would wait for its process to start
    workers = worker_count(cfg.DATALOADER.NUM_WORKERS)[0] if several else 0
    batches = OrderedBatches(len(samples), cfg.TEST.IMS_PER_BATCH)
    quarantine = build_quarantine(cfg, samples, tolerant)
    return DrawingLoader(dataset, batches, workers, device.type == "cuda", reason, quarantine)


def build_quarantine(cfg: CfgNode, samples: Sequence[Sample], tolerant: bool) -> Quarantine:
    """Return the Quarantine of an extraction: DATALOADER.MAX_BROKEN of the images, or none unless `tolerant`."""
    return Quarantine(samples, cfg.DATALOADER.MAX_BROKEN if tolerant else 0, "it has no features")


def _as_it_is(batch: Any) -> Any:
    return batch
