"""The challenge's test set: lists without labels, beside the folders of queries and database."""

from collections.abc import Collection

from yacs.config import CfgNode

from fastpatent.data.datasets import DATASETS
from fastpatent.data.list_dataset import read_splits
from fastpatent.data.pack.place import packed_files
from fastpatent.data.records import Sample, Splits

LISTS = {"query": "test_queries.txt", "gallery": "test_database.txt"}
PLACES = ("codalab_test_set", "test_data/codalab_test_set", "test_data")  # of the released code, its report, and unpacked


@DATASETS.register(name="PatentTest")
def read_patent_test(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """Read the challenge lists below DATASETS.ROOT; every identity is None."""
    places = [f"{place}/lists" for place in PLACES]
    given = {"parts": parts, "verify": verify, "stage": "test", "labelled": False, "packed": packed_files(cfg)}
    splits = read_splits("PatentTest", cfg.DATASETS.ROOT, LISTS, places, PLACES, **given)
    splits.query = [Sample(sample.path, None) for sample in splits.query]
    splits.gallery = [Sample(sample.path, None) for sample in splits.gallery]
    return splits
