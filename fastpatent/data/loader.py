"""Batches of drawings for training and for extraction, read by worker processes ahead of need."""

import torch
from torch.utils.data import DataLoader

from fastpatent import distributed
from fastpatent.data.augment.batch import augments_on_device, build_batch_augmentation
from fastpatent.data.dataset import DrawingDataset
from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.mined import MinedTupleSampler
from fastpatent.data.samples import label_map
from fastpatent.data.sets import load_test_set, load_training_set
from fastpatent.data.source import build_source
from fastpatent.data.stream import BatchStream, OrderedBatches
from fastpatent.data.transforms import build_train_transform
from fastpatent.data.workers import killed_worker, leave_quietly, worker_count
from fastpatent.errors import ConfigError, DataError

__all__ = ["DrawingLoader", "TrainLoader", "build_test_loader", "build_train_loader", "load_test_set", "load_training_set"]


class DrawingLoader(DataLoader):
    """DataLoader of the batches of `DrawingDataset.__getitems__`, whose faults are one sentence.

    Args:
        dataset: DrawingDataset.
        batches: iterable of lists of (position, index).
        workers: processes that read; 0 reads in this one.
        pin_memory: copy batches to memory from which a CUDA card reads faster.
        source_reason: what a run says of where the drawings come from, see `build_source`; kept as an attribute.

    Iterating raises DataError for a drawing that cannot be read and for a worker that was killed.
    """

    def __init__(self, dataset, batches, workers=0, pin_memory=False, source_reason=""):
        super().__init__(
            dataset,
            batch_sampler=batches,
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=leave_quietly,
            generator=torch.Generator(),  # DataLoader would take its base seed from the state that a checkpoint holds
        )
        self.source_reason = source_reason

    def __iter__(self):
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, ConnectionError, EOFError) as error:
                if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker (pid"):
                    raise  # of another cause than a worker that is gone
                raise DataError(killed_worker(self.num_workers)) from error
            if isinstance(batch, DataError):
                raise DataError(str(batch))  # `batch` itself would hold this frame, and the workers with it, in a cycle
            yield batch


class TrainLoader:
    """The endless training batches of this process.

    Attributes:
        samples: list of `Sample`.
        identities: sorted; an identity's place is its label.
        num_classes: number of identities.
        sampler: see `fastpatent.data.samplers`.
        batches_per_epoch: drawings // IMS_PER_BATCH, at least 1: the epoch of fast-reid, whatever the sampler's pass is. Of
            mined tuples an epoch is one pass, which must be mined before the next batch is asked for.
        workers, workers_reason: processes that read, and why so many.
        source_reason: what a run says of where the drawings come from, see `build_source`.
        augmentation: BatchAugmentation that the batches have still to go through, with their `positions`; None where the
            workers have augmented the drawings one by one, or INPUT asks for nothing.
        augmentation_reason: why it is done there.
        tokenize: as given.
        left_out: see `Splits`, of all training sets.
    """

    def __init__(self, cfg, samples, start_batch=0, tokenize=None):
        labels = label_map(samples)
        self.samples, self.identities, self.num_classes = samples, list(labels), len(labels)
        if cfg.SEED < 0:
            raise ConfigError(f"SEED: {cfg.SEED} is negative")
        targets = [labels[sample.identity] for sample in samples]
        self.sampler = SAMPLERS.get(cfg.DATALOADER.SAMPLER_TRAIN)(cfg, targets, samples)
        epoch = self.sampler.pass_length if isinstance(self.sampler, MinedTupleSampler) else len(samples)
        self.batches_per_epoch = max(epoch // cfg.SOLVER.IMS_PER_BATCH, 1)
        world = distributed.rank(), distributed.world_size()
        batches = BatchStream(self.sampler, cfg.SOLVER.IMS_PER_BATCH, *world, start_batch)
        source, self.source_reason = build_source(cfg, "SIZE_TRAIN", samples)
        on_device, self.augmentation_reason = augments_on_device(cfg, _device_type(cfg))
        self.augmentation = build_batch_augmentation(cfg) if on_device else None
        self.tokenize, self.left_out = tokenize, {}
        transform = None if on_device else build_train_transform(cfg)
        dataset = DrawingDataset(samples, labels, source, transform, cfg.SEED, tokenize)
        self.workers, self.workers_reason = worker_count(cfg.DATALOADER.NUM_WORKERS)
        self._loader = DrawingLoader(dataset, batches, self.workers, _pin_memory(cfg))

    def __iter__(self):
        while True:  # the stream of mined tuples ends with an epoch, and goes on with the next
            yield from self._loader


def build_train_loader(cfg, start_batch=0, tokenize=None):
    """Read the training set and return a TrainLoader that goes on at global batch `start_batch`.

    With `tokenize` (see `DrawingDataset`) drawings without a caption are left out.

    Raises:
        ConfigError: a name, size or batch cannot be; DataError: lists or drawings are missing.
    """
    left_out = {}
    samples = load_training_set(cfg, left_out)
    if tokenize:
        samples = [sample for sample in samples if sample.caption]
        if cfg.MODEL.CLIP.POSITIVES == "class":  # what belongs together is then a class
            samples = [sample._replace(identity=sample.category) for sample in samples if sample.category]
        if not samples:
            raise DataError(
                f"DATASETS.NAMES: no drawing of {', '.join(cfg.DATASETS.NAMES)} has a caption (DATASETS.CAPTIONS)"
            )
    loader = TrainLoader(cfg, samples, start_batch, tokenize)
    loader.left_out = left_out
    return loader


def build_test_loader(cfg, samples):
    """Return a DrawingLoader over `samples` in order, resized to INPUT.SIZE_TEST, TEST.IMS_PER_BATCH at a time.

    `targets` number the identities among `samples` in sorted order.
    """
    source, reason = build_source(cfg, "SIZE_TEST", samples)
    dataset = DrawingDataset(samples, label_map(samples), source)
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    return DrawingLoader(dataset, OrderedBatches(len(samples), cfg.TEST.IMS_PER_BATCH), workers, _pin_memory(cfg), reason)


def _as_it_is(batch):
    return batch


def _device_type(cfg):
    """Return the type of device that MODEL.DEVICE comes to on this machine, as `engine.device.choose_device` has it."""
    kind = cfg.MODEL.DEVICE.partition(":")[0]
    return "cpu" if kind == "cuda" and not torch.cuda.is_available() else kind


def _pin_memory(cfg):
    return _device_type(cfg) == "cuda"
