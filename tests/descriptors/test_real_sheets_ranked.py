"""Descriptors rank scanned sheets better than random."""

import numpy as np
import pytest

from fastpatent.data.records import Sample, Splits
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features

pytestmark = pytest.mark.slow

PATENTS, SHEETS = 15, 4  # D00000 is skipped: it is nearly a copy of another


@pytest.fixture(scope="module")
def sheets(shared):
    folders = sorted(path for path in (shared / "impact/patents").iterdir() if path.is_dir())
    found = [sorted(folder.glob("*.TIF"))[1 : SHEETS + 1] for folder in folders]
    whole = [paths for paths in found if len(paths) == SHEETS][:PATENTS]
    samples = [[Sample(str(path), path.parent.name) for path in paths] for paths in whole]
    query, gallery = [each[0] for each in samples], [sample for each in samples for sample in each[1:]]
    return Splits("sheets", [], query, gallery)


@pytest.mark.parametrize("name", DESCRIPTORS.names())
def test_sheets_of_one_patent_come_before_others(name, sheets):
    descriptor, samples = DESCRIPTORS.get(name), [*sheets.query, *sheets.gallery]
    vocabulary = descriptor.learn([sample.path for sample in sheets.gallery], 8, 32, seed=0) if descriptor.learn else None
    rows = describe_drawings(descriptor, samples, vocabulary)
    described, shuffled = (
        rank_features(Features(name, *np.split(of, [len(sheets.query)])), sheets, descriptor.metric).summary["mAP"]
        for of in (rows, np.random.default_rng(0).permutation(rows))
    )
    assert described > 2 * shuffled
