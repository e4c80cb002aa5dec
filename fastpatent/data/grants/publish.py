"""Lists, metadata and the account of what is left out, from the journals of all archives that are finished."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fastpatent.data.grants.journal import is_complete, read_outcomes, read_scan
from fastpatent.data.grants.metadata import write_metadata
from fastpatent.data.grants.part_lists import write_lists
from fastpatent.data.grants.skips import Reason, Skip
from fastpatent.data.grants.splitting import distinct_drawings, split_patents
from fastpatent.errors import DataError
from fastpatent.files import write_atomically

LISTS, METADATA, SKIPPED = "train_data", "metadata.parquet", "skipped.csv"
SUFFIX = ".jsonl"


@dataclass
class BuildReport:
    """What a data set holds, and what was left out.

    Attributes:
        archives: names of those that went into it.
        unfinished: names of those that a stopped run has begun: nothing of them is in the lists.
        patents, drawings: how many are on the disk.
        lists: {name of a list: number of drawings}.
        counts: {Reason: how many were left out}.
        examples: {Reason: the first of them, as a sentence}.
    """

    archives: list
    unfinished: list
    patents: int = 0
    drawings: int = 0
    lists: dict = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)


def finished_journals(folder):
    """Return the paths of the journals that are complete, sorted by name."""
    return [path for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if is_complete(path)]


def finished_patents(journals):
    """Return {patent: where it is from} of all patents that journals tell."""
    return {
        outcome.record["patent"]: f"{_archive(path)}/{outcome.member}"
        for path in journals
        for outcome in read_outcomes(path)
        if outcome.record
    }


def publish(folder, out, seed, test_fraction, val_fraction):
    """Write the lists, the metadata and the account of what is left out; each file appears whole or not at all.

    Args:
        folder: of the journals.
        out: folder of the data set.
        seed, test_fraction, val_fraction: see `split_patents`.

    Returns:
        BuildReport.

    Raises:
        DataError: fewer than three patents have two drawings, so that a list would be empty; the other files are written.
    """
    journals = finished_journals(folder)
    unfinished = [_archive(path) for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if path not in journals]
    report = BuildReport([_archive(path) for path in journals], unfinished)
    drawings = {
        outcome.record["patent"]: [(drawing["name"], drawing["digest"]) for drawing in outcome.record["drawings"]]
        for path in journals
        for outcome in read_outcomes(path)
        if outcome.record
    }
    report.patents, report.drawings = len(drawings), sum(map(len, drawings.values()))
    kept, equal = distinct_drawings(drawings)
    write_metadata(Path(out, METADATA), _records(journals))
    _write_skipped(Path(out, SKIPPED), journals, equal, report)
    parts = split_patents(kept, seed, test_fraction, val_fraction)
    if not all((parts.train, parts.val_query, parts.test_query)):
        raise DataError(f"{out}: too few patents for lists: training, validation and test need one with two drawings each")
    report.lists = write_lists(Path(out, LISTS), parts)
    return report


def _records(journals):
    for path in journals:
        for outcome in read_outcomes(path):
            if outcome.record:
                yield _archive(path), outcome.member, outcome.record


def _write_skipped(path, journals, equal, report):
    """Write a line for everything that is left out by name, and count it, and what is not named, in the report."""

    def write(temporary):
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("archive", "member", "reason", "detail"))
            for archive, skip in _skips(journals, equal, report.counts):
                table.writerow((archive, skip.member, skip.reason, skip.detail))
                report.examples.setdefault(skip.reason, _sentence(archive, skip))

    write_atomically(path, write)


def _skips(journals, equal, counts):
    """Yield (archive, `Skip`) of everything that is named; add how many there are of each reason to `counts`."""
    for path in journals:
        scanned, named = read_scan(path)
        counts.update(scanned)
        for skip in named:
            yield _archive(path), skip
        for outcome in read_outcomes(path):
            for skip in outcome.skips:
                counts[skip.reason] += 1
                yield _archive(path), skip
    for drawing, first in equal:
        counts[Reason.SAME] += 1
        yield "", Skip(Reason.SAME, drawing, f"has the bytes of {first}")


def _sentence(archive, skip):
    return f"{'/'.join(filter(None, (archive, skip.member)))}: {skip.detail}"


def _archive(journal):
    return journal.name.removesuffix(SUFFIX)
