"""Drawings with captions, listed in CSV files `filepath,caption` as used by open_clip."""

import os
from collections.abc import Collection, Sequence

from yacs.config import CfgNode

from fastpatent.data.captions import NO_TEXT
from fastpatent.data.datasets import DATASETS
from fastpatent.data.impact.patents import SHEET
from fastpatent.data.impact.sheets import SheetFinder
from fastpatent.data.lists import LONGEST
from fastpatent.data.records import Sample, Splits
from fastpatent.data.splitting import add_validation
from fastpatent.data.tables import MALFORMED, MOST_MALFORMED, read_rows
from fastpatent.errors import ConfigError, DataError

MISSING = "drawing of a caption missing"
KEYS = {"TRAIN": ("train",), "TEST": ("query", "gallery")}  # keys of DATASETS.CAPTIONS, and their parts


@DATASETS.register(name="Captioned")
def read_captioned(cfg: CfgNode, parts: Collection[str] | None = None, verify: bool = True) -> Splits:
    """Read DATASETS.CAPTIONS.TRAIN and TEST, relative to DATASETS.ROOT.

    Missing drawings are skipped and reported, so `verify` has no effect. The text is in the column named by
    DATASETS.CAPTIONS.TEXT. The identity is the folder of a drawing. Queries are chosen from TEST as in `Drawings`, by
    DATASETS.DRAWINGS.SEED; queries and gallery together are the pairs of TEST.

    Raises:
        ConfigError: the key of a requested part is empty, or all are.
        DataError: a CSV file cannot be read, lacks a column, or none of its drawings exists.
    """
    settings, root = cfg.DATASETS.CAPTIONS, cfg.DATASETS.ROOT
    wanted = {key: settings[key] for key, given in KEYS.items() if (set(given) & set(parts) if parts else settings[key])}
    for key in [key for key, path in wanted.items() if not path] or (KEYS if not wanted else ()):
        raise ConfigError(f"DATASETS.CAPTIONS.{key} is empty: name the CSV file (filepath,caption) that Captioned reads")
    splits = Splits("Captioned", [], [], [], skipped={kind: [] for kind in (MALFORMED, MISSING, NO_TEXT)})
    for key, path in wanted.items():
        pairs = read_pairs(os.path.join(root, path), root, cfg.DATASETS.CAPTIONS.TEXT, splits.skipped)
        if key == "TRAIN":
            splits.train = pairs
        else:
            _ask(splits, pairs, cfg.DATASETS.DRAWINGS.SEED)
    return splits


def read_pairs(path: str, root: str, column: str, skipped: dict[str, list[str]]) -> list[Sample]:
    """Return the samples of a CSV file, in its order.

    A path is tried as written, then below `root`, then beside the CSV file. A sheet of a patent, as in
    /elsewhere/USD0907292-20210105-D00001.TIF, is finally searched for as by `Impact`.

    Args:
        path: the CSV file; its columns `filepath` and `column` are read.
        root: DATASETS.ROOT.
        column: name of the text column.
        skipped: {kind of fault: list of messages}, which is added to.

    Raises:
        DataError: the file cannot be read, lacks a column, no drawing exists, or more than MOST_MALFORMED are missing.
    """
    beside = os.path.dirname(path)
    finder = SheetFinder(root, [beside])
    samples: list[Sample] = []
    for where, (filepath, text) in read_rows(path, ("filepath", column), skipped[MALFORMED]):
        name = filepath.strip()
        drawing = _found(name, (root, beside), finder) if name else None
        if drawing is None:
            cases = skipped[MISSING if name else MALFORMED]
            cases.append(f"{where}: there is no {name[:LONGEST]}" if name else f"{where}: the filepath is empty")
            if len(cases) > MOST_MALFORMED:
                raise DataError(f"{where}: more than {MOST_MALFORMED:,} rows have no drawing; the first is {cases[0]}")
            continue
        if not text.strip():
            skipped[NO_TEXT].append(f"{where}: {name[:LONGEST]} has no {column}")
        samples.append(Sample(drawing, os.path.basename(os.path.dirname(drawing)), caption=text.strip() or None))
    if not samples:
        first = next((f"; {cases[0]}" for cases in skipped.values() if cases), "; it has no row")
        raise DataError(f"{path}: none of its drawings exists below {root} or beside the file{first}")
    return samples


def _found(filepath: str, folders: Sequence[str], finder: SheetFinder) -> str | None:
    for folder in folders:  # joining keeps an absolute path as it is
        path = os.path.abspath(os.path.join(folder, filepath))
        if os.path.isfile(path):
            return path
    name = filepath.replace("\\", "/").rpartition("/")[2]
    sheet = SHEET.fullmatch(name)
    return finder.find(sheet[1], [name]).get(name) if sheet else None


def _ask(splits: Splits, pairs: Sequence[Sample], seed: int) -> None:
    """Split the pairs of each identity into queries and gallery."""
    identities: dict[str | None, list[Sample]] = {}
    for sample in pairs:
        identities.setdefault(sample.identity, []).append(sample)
    for samples in identities.values():
        add_validation(splits, samples, [os.path.basename(sample.path) for sample in samples], seed)
