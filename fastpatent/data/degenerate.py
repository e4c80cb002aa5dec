"""Test sets whose figures say little: one identity, queries in the gallery, identities that were trained on."""

from collections.abc import Collection

from fastpatent.data.records import Splits


def degeneracies(splits: Splits, trained: Collection[str | None] = ()) -> list[str]:
    """Return what makes the figures of a data set say less than they seem to, a sentence each; mostly none.

    Args:
        splits: its query and gallery, labelled or not.
        trained: identities of the training set.
    """
    queries, gallery = (
        {sample.identity for sample in side if sample.identity is not None} for side in (splits.query, splits.gallery)
    )
    if not queries:
        return []
    found = []
    measured = [sample for sample in splits.query if sample.identity in gallery]
    if len(gallery) == 1 and not any(sample.identity is None for sample in splits.gallery):
        found.append(f"all gallery images are of one identity ({min(gallery)}), so every ranking is perfect")
    if unmatched := sum(sample.identity is not None for sample in splits.query) - len(measured):
        found.append(
            f"{unmatched} of {len(splits.query)} queries have no image of their identity in the gallery, and no figure"
        )
    if len(measured) == 1:
        found.append("only one query is measured")
    if inside := len({sample.path for sample in splits.query} & {sample.path for sample in splits.gallery}):
        found.append(f"{inside} of {len(splits.query)} queries are in the gallery themselves and find themselves first")
    if seen := len((queries | gallery) & {*trained}):
        found.append(f"{seen} of {len(queries | gallery)} identities are training identities of DATASETS.NAMES too")
    return found
