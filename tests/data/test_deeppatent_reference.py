"""DeepPatent's own lists, and others."""

from collections import Counter

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.deeppatent_reference import is_deeppatent, published_differences
from fastpatent.data.records import Sample, Splits


@pytest.fixture
def read(cfg, shared):
    """Function (name of a data set) that reads DeepPatent's own lists, without the drawings."""
    cfg.DATASETS.ROOT = str(shared / "deeppatent")
    return lambda name: DATASETS.get(name)(cfg, parts=("query", "gallery"), verify=False)


@pytest.mark.parametrize("name", ["Patent", "DeepPatentTest"])
def test_the_real_lists_are_as_published(read, name):
    splits = read(name)
    assert is_deeppatent(splits) and published_differences(splits) == []


def test_differences_are_described(read):
    splits = read("DeepPatentTest")
    lost = [sample for sample in splits.gallery if sample.identity != "USD0834581-20181127"]
    splits.gallery = lost
    assert not is_deeppatent(splits)
    assert published_differences(splits) == [
        f"gallery {len(lost):,} drawings of 6,926 patents, published 38,834 of 6,927",
        "0 to 107 relevant drawings per query, mean 5.83; published 1 to 107, mean 5.83",
    ]


def test_a_training_list_is_compared_where_it_was_read(read):
    splits = read("Patent")
    splits.train = splits.gallery[:10]
    assert published_differences(splits) == [
        f"train 10 drawings of {len({sample.identity for sample in splits.train})} patents, published 254,787 of 33,364"
    ]


def test_relevant_drawings_are_counted(read):
    splits = read("DeepPatentTest")
    (most, count), *others = Counter(sample.identity for sample in splits.gallery).most_common()
    assert count == 107
    moved = next(place for place, sample in enumerate(splits.gallery) if sample.identity == others[0][0])
    splits.gallery[moved] = splits.gallery[moved]._replace(identity=most)  # as many drawings and patents as before
    expected = ["1 to 108 relevant drawings per query, mean 5.83; published 1 to 107, mean 5.83"]
    assert published_differences(splits) == expected


def test_only_paths_of_its_form_are_compared():
    for path, compared in [
        ("/data/I20180102/USD0806350-20180102/USD0806350-20180102-D00001.png", True),
        ("/data/I20180102/USD0806350-20180102/USD0806350-20180102-P00001.png", True),
        ("/data/I20190625/USD0852455-20190625/USD0852455-20190625-D00000.png", True),
        ("/data/I20190702/USD0852455-20190702/USD0852455-20190702-D00000.png", False),
        ("/data/I20210105/USD0907292-20210105/USD0907292-20210105-D00001.png", False),
        ("/data/I20180102/USD0806350-20180109/USD0806350-20180109-D00001.png", False),
        ("/data/I20180102/USD0806350-20180102/USD0806351-20180102-D00001.png", False),
        ("/data/I20180102/USD0806350-20180102/USD0806350-20180102-D00001.tif", False),
        ("/images/L1/L1_0.png", False),
    ]:
        sample = Sample(path, path.split("/")[-2])
        splits = Splits("DeepPatentTest", [], [sample], [sample], stage="test")
        assert (published_differences(splits) is not None) == compared, path
        assert not is_deeppatent(splits)
        assert published_differences(Splits("Drawings", [], [sample], [sample])) is None


def test_no_list_and_the_extended_database(read):
    assert published_differences(Splits("DeepPatentTest", [], [], [])) is None
    splits = read("DeepPatentTest")
    splits.name = "DeepPatentTestExtended"
    assert not is_deeppatent(splits)
    assert published_differences(splits) == ["gallery 38,834 drawings of 6,927 patents, published 338,436 of 46,179"]
