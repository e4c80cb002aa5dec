"""The generated sample: small, in DeepPatent's layout, made on first use."""

from functools import partial

from fastpatent import distributed
from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.patent import TEST, VALIDATION, read_patent


def read_sample(cfg, parts=None, verify=True, *, name, lists, stage):
    """Read the sample below DATASETS.ROOT; the first process makes it where it is not there yet."""
    from fastpatent.data.sample import ensure_sample  # the generator is needed by no other data set

    if distributed.rank() == 0:
        ensure_sample(cfg.DATASETS.ROOT)
    distributed.barrier()
    return read_patent(cfg, parts, verify, name=name, lists=lists, stage=stage, root=ensure_sample(cfg.DATASETS.ROOT))


for _name, _lists, _stage in (("Sample", VALIDATION, "val"), ("SampleTest", TEST, "test")):
    DATASETS.register(partial(read_sample, name=_name, lists=_lists, stage=_stage), name=_name)
