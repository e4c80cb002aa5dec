"""Which drawings make a training batch. A builder `(cfg, labels) -> sampler` is added by one decorated file in this folder.

A sampler tells the whole training's order for all processes together: `pass_length` is how many drawings one pass over the
data has, and `indices(n)` returns pass n as int64 [pass_length], a function of the seed and n alone. A run can therefore be
resumed at any drawing without going through those before it.
"""

from fastpatent.registry import Registry

SAMPLERS = Registry("sampler", "DATALOADER.SAMPLER_TRAIN", "fastpatent.data.samplers")
