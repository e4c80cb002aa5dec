"""DeepPatent's labelled lists (Kucer et al., WACV 2022), and data sets that follow its layout."""

import os
from collections.abc import Collection, Mapping
from functools import partial

from yacs.config import CfgNode

from fastpatent.data.datasets import DATASETS
from fastpatent.data.list_dataset import read_splits
from fastpatent.data.pack.place import packed_files
from fastpatent.data.records import Splits, add_skipped

LIST_PLACES = ("train_data", "data", ".")
DRAWING_PLACES = ("train_data/patent_data", "patent_data", "train_data", ".", "images")
VALIDATION = {"train": "train_patent_trn.txt", "query": "val_query_patent.txt", "gallery": "val_db_patent.txt"}
OTHER_HAND = {"train": "train_other_hand.txt"}
TEST = {"query": "test_query_patent.txt", "gallery": "test_db_patent.txt"}
TEST_PLAIN = {"query": "test_query_plain.txt", "gallery": "test_db_plain.txt"}
TEST_EXTENDED = {"query": "test_query_patent.txt", "gallery": "test_db_patent_extended.txt"}


def read_patent(
    cfg: CfgNode,
    parts: Collection[str] | None = None,
    verify: bool = True,
    *,
    name: str,
    lists: Mapping[str, str],
    stage: str,
    root: str | os.PathLike[str] | None = None,
) -> Splits:
    """Read list files below DATASETS.ROOT (or `root`) in any of the published layouts."""
    root = cfg.DATASETS.ROOT if root is None else root
    packed = packed_files(cfg)
    return read_splits(
        name, root, lists, LIST_PLACES, DRAWING_PLACES, parts=parts, verify=verify, stage=stage, packed=packed
    )


for _name, _lists, _stage in (
    ("Patent", VALIDATION, "val"),
    ("DeepPatentTest", TEST, "test"),
    ("DeepPatentTestPlain", TEST_PLAIN, "test"),
    ("DeepPatentTestExtended", TEST_EXTENDED, "test"),
):
    DATASETS.register(partial(read_patent, name=_name, lists=_lists, stage=_stage), name=_name)


@DATASETS.register(name="PatentBothHands")
def read_both_hands(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """`Patent`, and in training the drawings of train_other_hand.txt too: the same identities in another style."""
    splits = read_patent(cfg, parts, verify, name="PatentBothHands", lists=VALIDATION, stage="val")
    if parts is None or "train" in parts:
        other = read_patent(cfg, ("train",), verify, name="PatentBothHands", lists=OTHER_HAND, stage="val")
        splits.train += other.train
        add_skipped(splits.skipped, other.skipped)
    return splits
