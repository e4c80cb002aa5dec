"""The generated sample data set: small, in DeepPatent's layout, generated on first use."""

from collections.abc import Collection, Mapping
from functools import partial

from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.patent import TEST, VALIDATION, read_patent
from fastpatent.data.records import Splits


def read_sample(
    cfg: CfgNode,
    parts: Collection[str] | None = None,
    verify: bool = True,
    *,
    name: str,
    lists: Mapping[str, str],
    stage: str,
) -> Splits:
    """Read the sample below DATASETS.ROOT; the first process generates it where it is missing."""
    from fastpatent.synthetic import ensure_sample  # only this data set needs the generator

    if distributed.rank() == 0:
        ensure_sample(cfg.DATASETS.ROOT)
    distributed.barrier()
    return read_patent(cfg, parts, verify, name=name, lists=lists, stage=stage, root=ensure_sample(cfg.DATASETS.ROOT))


for _name, _lists, _stage in (("Sample", VALIDATION, "val"), ("SampleTest", TEST, "test")):
    DATASETS.register(partial(read_sample, name=_name, lists=_lists, stage=_stage), name=_name)
