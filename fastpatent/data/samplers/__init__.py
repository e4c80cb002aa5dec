"""Which drawings make a training batch. A builder `(cfg, labels, samples)` is added by one decorated file in this folder.

`labels` are the identities of the `samples`, 0..n-1; most samplers look at nothing else of them.

A sampler tells the whole training's order for all processes together: `pass_length` is how many drawings one pass over the
data has, and `indices(n)` returns pass n as int64 [pass_length], a function of the seed and n alone. A run can therefore be
resumed at any drawing without going through those before it. A sampler whose passes depend on the network too returns None
for a pass that has yet to be mined, see `fastpatent.data.samplers.mined`.
"""

from fastpatent.registry import Registry

SAMPLERS = Registry("sampler", "DATALOADER.SAMPLER_TRAIN", "fastpatent.data.samplers")
