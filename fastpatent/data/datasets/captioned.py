"""Drawings with captions, listed in CSV files `filepath,caption` as open_clip trains on them."""

import os

from fastpatent.data.captions import NO_TEXT, text_kind
from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.drawings import add_validation
from fastpatent.data.impact.patents import SHEET
from fastpatent.data.impact.sheets import SheetFinder
from fastpatent.data.samples import Sample, Splits
from fastpatent.data.tables import MALFORMED, read_rows
from fastpatent.errors import ConfigError, DataError

MISSING = "drawing of a caption missing"
KEYS = {"TRAIN": ("train",), "TEST": ("query", "gallery")}  # of DATASETS.CAPTIONS, and the parts that each gives


@DATASETS.register(name="Captioned")
def read_captioned(cfg, parts=None, verify=True):
    """Read DATASETS.CAPTIONS.TRAIN and TEST, relative to DATASETS.ROOT.

    Missing drawings are left out and told, so `verify` changes nothing. The text is in the column that
    DATASETS.CAPTIONS.TEXT names. The identity is the folder of a drawing. Queries are chosen from TEST as in `Drawings`, by
    DATASETS.DRAWINGS.SEED; they and the gallery together are the pairs of TEST.

    Raises:
        ConfigError: the key of a part that is asked for is empty, or all are.
        DataError: a CSV file cannot be read, lacks a column, or not one of its drawings is there.
    """
    settings, root = cfg.DATASETS.CAPTIONS, cfg.DATASETS.ROOT
    wanted = {key: settings[key] for key, given in KEYS.items() if (set(given) & set(parts) if parts else settings[key])}
    for key in [key for key, path in wanted.items() if not path] or (KEYS if not wanted else ()):
        raise ConfigError(f"DATASETS.CAPTIONS.{key} is empty: name the CSV file (filepath,caption) that Captioned reads")
    splits = Splits("Captioned", [], [], [], left_out={kind: [] for kind in (MALFORMED, MISSING, NO_TEXT)})
    for key, path in wanted.items():
        pairs = read_pairs(os.path.join(root, path), root, text_kind(cfg), splits.left_out)
        if key == "TRAIN":
            splits.train = pairs
        else:
            _ask(splits, pairs, cfg.DATASETS.DRAWINGS.SEED)
    return splits


def read_pairs(path, root, column, left_out):
    """Return the samples of a CSV file, in its order.

    A drawing is looked for as it is written, then below `root`, then beside the CSV file; a sheet of a patent, as in
    /elsewhere/USD0907292-20210105-D00001.TIF, at last wherever `Impact` would find it.

    Args:
        path: the CSV file; its columns `filepath` and `column` are read.
        root: DATASETS.ROOT.
        column: that of the text.
        left_out: {kind of fault: list of sentences}, which is added to.

    Raises:
        DataError: the file cannot be read, lacks a column, or not one drawing is there.
    """
    beside = os.path.dirname(path)
    finder, samples = SheetFinder(root, [beside]), []
    for where, (filepath, text) in read_rows(path, ("filepath", column), left_out[MALFORMED]):
        drawing = _found(filepath.strip(), (root, beside), finder)
        if drawing is None:
            left_out[MISSING].append(f"{where}: there is no {filepath}")
            continue
        if not text.strip():
            left_out[NO_TEXT].append(f"{where}: {filepath} has no {column}")
        samples.append(Sample(drawing, os.path.basename(os.path.dirname(drawing)), caption=text.strip() or None))
    if not samples:
        first = next((f"; {cases[0]}" for cases in left_out.values() if cases), "; it has no row")
        raise DataError(f"{path}: not one of its drawings is there, below {root} or beside it{first}")
    return samples


def _found(filepath, folders, finder):
    for folder in folders:  # an absolute path is joined to nothing
        path = os.path.abspath(os.path.join(folder, filepath))
        if os.path.isfile(path):
            return path
    name = filepath.replace("\\", "/").rpartition("/")[2]
    sheet = SHEET.fullmatch(name)
    return finder.find(sheet[1], [name]).get(name) if sheet else None


def _ask(splits, pairs, seed):
    """Share the pairs out to the queries and the gallery of their identities."""
    identities = {}
    for sample in pairs:
        identities.setdefault(sample.identity, []).append(sample)
    for samples in identities.values():
        add_validation(splits, samples, [os.path.basename(sample.path) for sample in samples], seed)
