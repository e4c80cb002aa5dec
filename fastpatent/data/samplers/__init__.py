"""Which samples make a training batch. A builder `(cfg, labels, samples)` is added by one decorated file in this folder.

`labels` are the identities of the `samples`, 0..n-1; most samplers read nothing else of them. A builder returns a `Sampler`.
"""

import numpy as np

from fastpatent.registry import SAMPLERS

__all__ = ["SAMPLERS", "Sampler"]


class Sampler:
    """The order of samples for the whole training and all processes together.

    Pass n is a function of the seed and n alone, so a run can be resumed at any sample without computing those before it. A
    sampler whose passes also depend on the network derives from `fastpatent.data.samplers.mined.MinedTupleSampler`.

    Attributes:
        pass_length: samples in one pass over the data.
        group_size: consecutive samples that belong together, so that no part of a batch may split them.
        group_name: what such a group is, in the plural; for messages.
        unit_size: consecutive samples that go to one process, where the batch is divided among several.
        needs_mining: whether `fastpatent.engine.mining` provides each pass before its first batch: MinedTupleSampler only.
    """

    pass_length: int
    group_size: int = 1
    group_name: str = "samples"
    unit_size: int = 1
    needs_mining: bool = False

    def indices(self, number: int) -> np.ndarray | None:
        """Return pass `number` as int64 [pass_length], indices of samples; None where it has yet to be mined."""
        raise NotImplementedError

    def epoch_length(self, samples: int) -> int:
        """Return how many samples an epoch has, of a training set of `samples`: all of them, as in fast-reid."""
        return samples
