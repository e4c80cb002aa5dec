"""IMPACT: design patents with their texts, split by patent (Shomee et al.)."""

import os
from collections.abc import Collection, Mapping, Sequence

from yacs.config import CfgNode

from fastpatent.data.captions import NO_TEXT
from fastpatent.data.datasets import DATASETS
from fastpatent.data.impact.figure_captions import sheet_texts
from fastpatent.data.impact.patents import Patent, impact_tables, read_patents
from fastpatent.data.impact.sheets import FORMS, PLACES, SheetFinder
from fastpatent.data.records import Sample, Splits
from fastpatent.data.splitting import add_validation, validation_identities
from fastpatent.data.tables import MALFORMED
from fastpatent.errors import DataError

MISSING, TWICE = "missing sheet", "patent listed twice"


@DATASETS.register(name="Impact")
def read_impact(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """Read the CSV files below DATASETS.ROOT; missing sheets are skipped, so `parts` and `verify` have no effect."""
    settings = cfg.DATASETS.DRAWINGS
    return split_patents(cfg.DATASETS.ROOT, cfg.DATASETS.CAPTIONS.TEXT, settings.VAL_FRACTION, settings.SEED)


def split_patents(root: str | os.PathLike[str], text: str, val_fraction: float, seed: int) -> Splits:
    """Split the patents of IMPACT's CSV files into training and validation, as `Drawings` does.

    The split depends on the names of patents and sheets and the seed, never on the text. Rows are read one by one; only
    samples are kept in memory. Malformed rows, missing sheets, repeated patents and patents without a text are reported in
    `skipped`; the last are kept, with a caption of None.

    Args:
        root: the folder that holds CSV files and sheets.
        text: the source of captions: caption, title or description.
        val_fraction: share of the patents for validation, in (0, 1).
        seed: of the choice of patents and queries.

    Returns:
        Splits; identities as in USD0937859-20211207, categories as in D14.

    Raises:
        DataError: a CSV file cannot be read, there is none, or fewer than two patents have sheets.
    """
    splits = Splits("Impact", [], [], [], skipped={kind: [] for kind in (MALFORMED, MISSING, TWICE, NO_TEXT)})
    tables = impact_tables(root)
    finder = SheetFinder(root, map(os.path.dirname, tables))
    samples: dict[str, list[Sample]] = {}
    tried: set[str] = set()  # of many rows of one patent, only the first searches its folder
    for path in tables:
        for patent in read_patents(path, text, splits.skipped):
            if patent.identity in tried:
                splits.skipped[TWICE].append(f"{patent.where}: {patent.identity} was in an earlier row")
                continue
            tried.add(patent.identity)
            if found := _samples(patent, text, finder, splits.skipped):
                samples[patent.identity] = found
    if len(samples) < 2:
        raise DataError(_too_few(samples, splits.skipped, finder))
    validation = validation_identities(samples, val_fraction, seed)
    for identity, found in samples.items():
        if identity in validation:
            add_validation(splits, found, [_stem(sample) for sample in found], seed)
        else:
            splits.train += found
    return splits


def _samples(patent: Patent, text: str, finder: SheetFinder, skipped: dict[str, list[str]]) -> list[Sample]:
    """Return the samples of those sheets of a patent that exist."""
    paths = finder.find(patent.identity, patent.sheets)
    if len(paths) < len(patent.sheets):
        missing = [sheet for sheet in patent.sheets if sheet not in paths]
        skipped[MISSING].append(f"{patent.where}: {len(missing)} of {len(patent.sheets)} sheets missing, first {missing[0]}")
    try:
        texts = sheet_texts(patent, text)
    except ValueError as error:
        skipped[MALFORMED].append(f"{patent.where}: {error}; the title is used")
        texts = [patent.title or None] * len(patent.sheets)
    if None in texts:
        skipped[NO_TEXT].append(f"{patent.where}: {patent.identity} has no {text}")
    return [
        Sample(paths[sheet], patent.identity, caption=caption, category=patent.category)
        for sheet, caption in zip(patent.sheets, texts)
        if sheet in paths
    ]


def _stem(sample: Sample) -> str:
    """Return the name of a sheet for the choice of queries: the same in every file format."""
    return os.path.splitext(os.path.basename(sample.path))[0].upper()


def _too_few(samples: Mapping[str, Sequence[Sample]], skipped: Mapping[str, Sequence[str]], finder: SheetFinder) -> str:
    first = next((f"; {cases[0]}" for kind in (MISSING, MALFORMED) if (cases := skipped[kind])), "")
    forms = ", ".join(form.format(patent="<patent>", date="<date>") for form in FORMS)
    return (
        f"{finder.root}: {len(samples)} patents with sheets; Impact needs at least two, as {forms} "
        f"here, beside their CSV file or in {', '.join(PLACES[1:])}{first}"
    )
