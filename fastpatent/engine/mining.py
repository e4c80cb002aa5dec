"""The hardest negatives in a random pool, by the present network (Radenovic et al., TPAMI 2019)."""

import logging
import time
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.loader import TrainLoader, build_test_loader
from fastpatent.device import Precision, float32_arithmetic
from fastpatent.evaluation.features import extract_features
from fastpatent.models import Network

BLOCK = 128  # queries compared with the pool at a time; fixed, because the last bits of a product depend on its shape
logger = logging.getLogger(__name__)


class Miner:
    """Gives a sampler that needs mining the tuples of one pass after the other.

    Images are embedded as in evaluation, but at INPUT.SIZE_TRAIN, each process its share; the first process searches and
    sends the result to all. No random numbers are used.

    Args:
        cfg: the configuration.
        model: network on `device`.
        loader: TrainLoader whose sampler needs mining.
        device, precision: where and in which number format to embed.
    """

    def __init__(
        self, cfg: CfgNode, model: Network, loader: TrainLoader, device: torch.device, precision: Precision
    ) -> None:
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.INPUT.SIZE_TEST = cfg.INPUT.SIZE_TRAIN
        self.model, self.samples, self.sampler = model, loader.samples, loader.sampler
        self.device, self.precision = device, precision

    def knows(self, number: int) -> bool:
        """Return whether the tuples of pass `number` are there."""
        return self.sampler.number == number

    def mine(self, number: int) -> None:
        """Mine the tuples of pass `number` and give them to the sampler; DataError where the pool has too few identities."""
        begun = time.monotonic()
        choice = self.sampler.choose(number)
        used = np.unique(np.concatenate([choice.queries, choice.pool]))
        distributed.share_buffers(self.model)
        share = used[distributed.rank() :: distributed.world_size()]
        images = build_test_loader(self.cfg, [self.samples[index] for index in share], self.device, tolerant=True)
        features = extract_features(self.model, images, self.device, self.precision)
        tuples = torch.empty(self.sampler.shape, dtype=torch.int64)
        if features is not None:
            # unreadable images are at cosine 0; others replace them in batches
            features = np.nan_to_num(features, copy=False)
            labels = self.sampler.labels
            negatives = nearest_negatives(
                features[np.searchsorted(used, choice.queries)],
                labels[choice.queries],
                features[np.searchsorted(used, choice.pool)],
                labels[choice.pool],
                self.sampler.negatives,
                self.device,
            )
            columns = choice.queries[:, None], choice.positives[:, None], choice.pool[negatives]
            tuples = torch.from_numpy(np.concatenate(columns, axis=1))
        if distributed.world_size() > 1:
            dist.broadcast(tuples, 0)
        self.sampler.take(number, tuples.numpy())
        logger.info(
            f"mined the negatives of {len(choice.queries)} queries from {len(choice.pool)} images in "
            f"{time.monotonic() - begun:.1f} s"
        )

    def state(self) -> dict[str, Any] | None:
        """Return the tuples of the pass that is known, for a checkpoint."""
        known = self.sampler.number is not None
        return {"number": self.sampler.number, "tuples": torch.from_numpy(self.sampler.tuples)} if known else None

    def restore(self, state: dict[str, Any] | None) -> None:
        """Restore what `state` returned; CheckpointError where DATALOADER.MINING differs."""
        if state:
            self.sampler.take(state["number"], state["tuples"].numpy())


def nearest_negatives(
    queries: np.ndarray,
    query_labels: np.ndarray,
    pool: np.ndarray,
    pool_labels: np.ndarray,
    negatives: int,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Find for each query the nearest images of a pool by cosine, each of another identity and none of the query's own.

    Memory above the features is BLOCK rows of the pool's length.

    Args:
        queries: float32 array [queries, dim].
        query_labels: int array [queries], identities.
        pool, pool_labels: the same of the pool; it has more than `negatives` identities.
        negatives: how many to find.
        device: where to compute.

    Returns:
        int64 array [queries, negatives], places in the pool, nearest first; of equally near ones the first.
    """
    asked, searched = (F.normalize(torch.from_numpy(rows).to(device)) for rows in (queries, pool))
    asked_labels, labels = (torch.from_numpy(of).to(device) for of in (query_labels, pool_labels))
    found = torch.empty(len(queries), negatives, dtype=torch.int64)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        with float32_arithmetic("ieee"):
            similarity = asked[block] @ searched.T
        taken = asked_labels[block]
        for column in range(negatives):
            similarity.masked_fill_(labels == taken[:, None], -torch.inf)
            nearest = similarity.argmax(dim=1)
            found[block, column] = nearest.cpu()
            taken = labels[nearest]
    return found.numpy()
