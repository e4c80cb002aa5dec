"""What is published of DeepPatent's own lists (Kucer et al., WACV 2022, section 3.1, and the lists as released)."""

import re
from collections import Counter

from fastpatent.data.samples import PARTS

WEEKS = r"2018\d{4}|20190[1-6]\d{2}|20200107"  # of grant: 2018 and half of 2019, and one more that its lists hold
PATH = re.compile(rf"/I({WEEKS})/(USD\d{{7}}-\1)/\2-[DP]\d{{5}}\.png$")
COUNTS = {  # data set: part: (drawings, patents)
    "Patent": {"train": (254_787, 33_364), "query": (11_271, 5_888), "gallery": (33_544, 5_888)},
    "DeepPatentTest": {"query": (13_133, 6_927), "gallery": (38_834, 6_927)},
    # the sum of the test database, all validation and all training drawings
    "DeepPatentTestExtended": {"query": (13_133, 6_927), "gallery": (38_834 + 44_815 + 254_787, 6_927 + 5_888 + 33_364)},
}
RELEVANT = (1, 107, 5.83)  # drawings of its patent that a test query has to find: fewest, most, mean
OWN = ("Patent", "DeepPatentTest")  # the lists that published figures are measured on


def is_deeppatent(splits):
    """Return whether these are DeepPatent's own validation or test lists, beside whose figures published ones may stand."""
    return splits.name in OWN and bool(splits.query and splits.gallery) and published_differences(splits) == []


def published_differences(splits):
    """Compare lists with what is published of them; a part of `splits` without drawings counts as not read.

    Args:
        splits: Splits, of drawings that need not be there.

    Returns:
        list of sentences, empty where all is as published; None where nothing is published of this data set, or a path is
        not of the form `I<date>/<patent>-<date>/<patent>-<date>-D<number>.png` or of a date that DeepPatent does not hold.
    """
    used = [part for part in PARTS if getattr(splits, part)]
    counts = COUNTS.get(splits.name)
    if counts is None or not used or not all(PATH.search(sample.path) for part in used for sample in getattr(splits, part)):
        return None
    differences = []
    for part in used:
        samples = getattr(splits, part)
        found = len(samples), len({sample.identity for sample in samples})
        if found != counts[part]:
            differences.append(
                f"{part} {found[0]:,} drawings of {found[1]:,} patents, published {counts[part][0]:,} of {counts[part][1]:,}"
            )
    if splits.query and splits.gallery and splits.stage == "test":
        differences += _relevant_differences(splits)
    return differences


def _relevant_differences(splits):
    listed = Counter(sample.identity for sample in splits.gallery)
    relevant = [listed[sample.identity] for sample in splits.query]
    fewest, most, mean = min(relevant), max(relevant), round(sum(relevant) / len(relevant), 2)
    if (fewest, most, mean) == RELEVANT:
        return []
    return [
        f"{fewest} to {most} relevant drawings a query, mean {mean:.2f}; published {RELEVANT[0]} to {RELEVANT[1]}, "
        f"mean {RELEVANT[2]}"
    ]
