"""The hardest negatives in a random pool, as the network sees them now (Radenovic et al., TPAMI 2019)."""

import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

from fastpatent import distributed
from fastpatent.data.loader import build_test_loader
from fastpatent.evaluation.features import extract_features

BLOCK = 128  # queries compared with the pool at a time; fixed, for the last bits of a product depend on its shape


class Miner:
    """Gives a MinedTupleSampler the tuples of one pass after the other.

    Drawings are embedded in evaluation mode as for a test, but at INPUT.SIZE_TRAIN, each process its share; the first one
    searches, and all receive what it found. Nothing random is drawn.

    Args:
        cfg: the configuration.
        model: network on `device`.
        loader: TrainLoader with a MinedTupleSampler.
        device, precision: where and in which number format to embed.
        log: RunLog.
    """

    def __init__(self, cfg, model, loader, device, precision, log):
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.INPUT.SIZE_TEST = cfg.INPUT.SIZE_TRAIN
        self.model, self.samples, self.sampler = model, loader.samples, loader.sampler
        self.device, self.precision, self.log = device, precision, log

    def knows(self, number):
        """Tell whether the tuples of pass `number` are there."""
        return self.sampler.number == number

    def mine(self, number):
        """Mine the tuples of pass `number` and hand them to the sampler; DataError where the pool has too few identities."""
        begun = time.monotonic()
        choice = self.sampler.choose(number)
        used = np.unique(np.concatenate([choice.queries, choice.pool]))
        distributed.share_buffers(self.model)
        share = used[distributed.rank() :: distributed.world_size()]
        drawings = build_test_loader(self.cfg, [self.samples[index] for index in share])
        features = extract_features(self.model, drawings, self.device, self.precision)
        tuples = torch.empty(self.sampler.shape, dtype=torch.int64)
        if features is not None:
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
        self.log.say(
            f"mined the negatives of {len(choice.queries)} queries from {len(choice.pool)} drawings in "
            f"{time.monotonic() - begun:.1f} s"
        )

    def state(self):
        """Return the tuples of the pass that is known, for a checkpoint."""
        known = self.sampler.number is not None
        return {"number": self.sampler.number, "tuples": torch.from_numpy(self.sampler.tuples)} if known else None

    def restore(self, state):
        """Take up what `state` returned; CheckpointError where DATALOADER.MINING was another."""
        if state:
            self.sampler.take(state["number"], state["tuples"].numpy())


def build_miner(cfg, model, loader, device, precision, log):
    """Return a Miner where DATALOADER.SAMPLER_TRAIN is the MinedTupleSampler, else None."""
    if cfg.DATALOADER.SAMPLER_TRAIN != "MinedTupleSampler":
        return None
    return Miner(cfg, model, loader, device, precision, log)


def nearest_negatives(queries, query_labels, pool, pool_labels, negatives, device="cpu"):
    """Find for each query the nearest drawings of a pool by cosine, each of another identity and none of the query's own.

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
    queries, pool = (F.normalize(torch.from_numpy(rows).to(device)) for rows in (queries, pool))
    query_labels, pool_labels = (torch.from_numpy(labels).to(device) for labels in (query_labels, pool_labels))
    found = torch.empty(len(queries), negatives, dtype=torch.int64)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        similarity = queries[block] @ pool.T
        taken = query_labels[block]
        for column in range(negatives):
            similarity.masked_fill_(pool_labels == taken[:, None], -torch.inf)
            nearest = similarity.argmax(dim=1)
            found[block, column] = nearest.cpu()
            taken = pool_labels[nearest]
    return found.numpy()
