"""The generated sample data set: small, in DeepPatent's layout, generated on first use."""

import logging
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.patent import TEST, VALIDATION, read_patent
from fastpatent.data.lock import only_writer
from fastpatent.data.records import Splits

logger = logging.getLogger(__name__)


def read_sample(
    cfg: CfgNode,
    parts: Collection[str] | None = None,
    verify: bool = True,
    *,
    name: str,
    lists: Mapping[str, str],
    stage: str,
) -> Splits:
    """Read the sample below DATASETS.ROOT; one process generates it where it is missing, the others wait."""
    from fastpatent.synthetic.generate import ensure_sample  # only this data set needs the generator

    root = Path(cfg.DATASETS.ROOT)
    if not (root / "sample").exists():
        root.mkdir(parents=True, exist_ok=True)
        if distributed.world_size() > 1:
            logger.info(f"{root / 'sample'} is missing: one process generates it, the others wait")
        with only_writer(root, "fastpatent", wait=True):
            ensure_sample(root)
    return read_patent(cfg, parts, verify, name=name, lists=lists, stage=stage, root=ensure_sample(root))


for _name, _lists, _stage in (("Sample", VALIDATION, "val"), ("SampleTest", TEST, "test")):
    DATASETS.register(partial(read_sample, name=_name, lists=_lists, stage=_stage), name=_name)
