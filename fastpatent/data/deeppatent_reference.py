"""Published figures of DeepPatent's own lists (Kucer et al., WACV 2022, section 3.1, and the released lists)."""

import re
from collections import Counter

from fastpatent.data.records import PARTS, Splits

WEEKS = r"2018\d{4}|20190[1-6]\d{2}|20200107"  # of grant: 2018, half of 2019, and one more week in the released lists
PATH = re.compile(rf"/I({WEEKS})/(USD\d{{7}}-\1)/\2-[DP]\d{{5}}\.png$")
COUNTS = {  # {data set: {part: (drawings, patents)}}
    "Patent": {"train": (254_787, 33_364), "query": (11_271, 5_888), "gallery": (33_544, 5_888)},
    "DeepPatentTest": {"query": (13_133, 6_927), "gallery": (38_834, 6_927)},
    # the sum of the test database, all validation and all training drawings
    "DeepPatentTestExtended": {"query": (13_133, 6_927), "gallery": (38_834 + 44_815 + 254_787, 6_927 + 5_888 + 33_364)},
}
RELEVANT = (1, 107, 5.83)  # relevant drawings per test query: fewest, most, mean
OWN = ("Patent", "DeepPatentTest")  # the lists on which published figures were measured


def is_deeppatent(splits: Splits) -> bool:
    """Return whether these are DeepPatent's own validation or test lists, so that figures compare with published ones."""
    return splits.name in OWN and bool(splits.query and splits.gallery) and published_differences(splits) == []


def published_differences(splits: Splits) -> list[str] | None:
    """Compare lists with their published figures; an empty part of `splits` counts as not read.

    Args:
        splits: the data set; its files need not exist.

    Returns:
        One message per difference; None where nothing is published for this data set, or where a path is not of the form
        `I<date>/<patent>-<date>/<patent>-<date>-D<number>.png` with a date in DeepPatent.
    """
    used = [part for part in PARTS if getattr(splits, part)]
    counts = COUNTS.get(splits.name)
    if counts is None or not used or not all(PATH.search(sample.path) for part in used for sample in getattr(splits, part)):
        return None
    differences: list[str] = []
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


def _relevant_differences(splits: Splits) -> list[str]:
    listed = Counter(sample.identity for sample in splits.gallery)
    relevant = [listed[sample.identity] for sample in splits.query]
    fewest, most, mean = min(relevant), max(relevant), round(sum(relevant) / len(relevant), 2)
    if (fewest, most, mean) == RELEVANT:
        return []
    return [
        f"{fewest} to {most} relevant drawings per query, mean {mean:.2f}; published {RELEVANT[0]} to {RELEVANT[1]}, "
        f"mean {RELEVANT[2]}"
    ]
