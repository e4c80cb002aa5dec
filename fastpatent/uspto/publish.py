"""Write lists, metadata and the report of skipped items from the journals of all finished archives."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastpatent.data.confinement import Confinement
from fastpatent.data.datasets.patent import LIST_PLACES
from fastpatent.data.tables import write_csv
from fastpatent.errors import DataError
from fastpatent.files import Ledger, remove_temporaries
from fastpatent.uspto.journal import is_complete, read_outcomes, read_scan
from fastpatent.uspto.metadata import write_metadata
from fastpatent.uspto.part_lists import NAMES, write_lists
from fastpatent.uspto.patent import Record
from fastpatent.uspto.skips import Reason, Skip
from fastpatent.uspto.splitting import distinct_drawings, split_patents

COMMAND = "fastpatent data build"
LISTS, METADATA, SKIPPED = "train_data", "metadata.parquet", "skipped.csv"
SUFFIX = ".jsonl"
DRAWINGS = f"{LISTS}/patent_data"
LEDGER = "written.json"  # in the folder of the journals


@dataclass
class BuildReport:
    """The contents of a data set, and what was skipped.

    Attributes:
        archives: names of those included.
        unfinished: names of those that an interrupted run has begun: nothing of them is in the lists.
        patents, drawings: numbers on disk.
        lists: {file name of a list: number of drawings}.
        counts: {Reason: number of skipped items}.
        examples: {Reason: the first of them, as a sentence}.
    """

    archives: list[str]
    unfinished: list[str]
    patents: int = 0
    drawings: int = 0
    lists: dict[str, int] = field(default_factory=dict)
    counts: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, str] = field(default_factory=dict)


def finished_journals(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the paths of the complete journals, sorted by name."""
    return [path for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if is_complete(path)]


def finished_patents(journals: Sequence[Path]) -> dict[str, str]:
    """Return {patent: its source} of all patents recorded in journals."""
    return {
        outcome.record["patent"]: f"{_archive(path)}/{outcome.member}"
        for path in journals
        for outcome in read_outcomes(path)
        if outcome.record
    }


def check_foreign_files(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Raise DataError where a build would replace what no build has written, or write through a link that leaves `out`.

    Args:
        folder: of the journals; it need not exist.
        out: folder of the data set.
    """
    confinement = Confinement(out)
    for place in (out, folder, Path(out, LISTS), Path(out, DRAWINGS)):
        confinement.check(os.fspath(place), "--out", "remove the link")
        if os.path.lexists(place) and not os.path.isdir(place):
            raise DataError(f"{place}: is not a folder, so nothing can be built there")
    ledger = Ledger(Path(folder, LEDGER))
    lists = (Path(out, place, name) for place in LIST_PLACES for name in NAMES)  # a list elsewhere would be read no more
    ledger.check([*lists, Path(out, METADATA), Path(out, SKIPPED)], COMMAND)
    drawings = Path(out, DRAWINGS)
    if drawings.is_dir() and any(drawings.iterdir()) and not any(Path(folder).glob(f"*{SUFFIX}")):
        raise DataError(f"{drawings}: has drawings that `{COMMAND}` did not write; choose another --out")


def remove_leftovers(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Remove the parts of files that a killed build has left; arguments as of `publish`."""
    for place, names in ((folder, [LEDGER]), (out, [METADATA, SKIPPED]), (Path(out, LISTS), NAMES)):
        remove_temporaries(place, names)


def publish(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], seed: int, test_fraction: float, val_fraction: float
) -> BuildReport:
    """Write the lists, the metadata and the report of skipped items; each file is written atomically.

    Args:
        folder: of the journals.
        out: folder of the data set.
        seed, test_fraction, val_fraction: see `split_patents`.

    Raises:
        DataError: fewer than three patents have two drawings, so a list would be empty; the other files are written.
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
    ledger = Ledger(Path(folder, LEDGER))
    write_metadata(Path(out, METADATA), _records(journals), ledger)
    _write_skipped(Path(out, SKIPPED), journals, equal, report, ledger)
    parts = split_patents(kept, seed, test_fraction, val_fraction)
    if not all((parts.train, parts.val_query, parts.test_query)):
        wanted = "training, validation and test need one with two drawings each"
        skipped = next((f"; skipped: {report.examples[reason]}" for reason in Reason if reason in report.examples), "")
        raise DataError(f"{out}: too few patents for lists: {wanted}{skipped}")
    report.lists = write_lists(Path(out, LISTS), parts, ledger)
    return report


def _records(journals: Sequence[Path]) -> Iterator[tuple[str, str, Record]]:
    for path in journals:
        for outcome in read_outcomes(path):
            if outcome.record:
                yield _archive(path), outcome.member, outcome.record


def _write_skipped(
    path: Path, journals: Sequence[Path], equal: Sequence[tuple[str, str]], report: BuildReport, ledger: Ledger
) -> None:
    """Write a line for every item skipped by name; count all skipped items, named or not, in the report."""

    def rows() -> Iterator[Sequence[str]]:
        yield "archive", "member", "reason", "detail"
        for archive, skip in _skips(journals, equal, report.counts):
            report.examples.setdefault(skip.reason, _sentence(archive, skip))
            yield archive, skip.member, skip.reason, skip.detail

    ledger.write(path, lambda temporary: write_csv(temporary, rows()))


def _skips(
    journals: Sequence[Path], equal: Sequence[tuple[str, str]], counts: Counter[Reason]
) -> Iterator[tuple[str, Skip]]:
    """Yield (archive, `Skip`) of every item skipped by name; add the number per reason to `counts`."""
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
        yield "", Skip(Reason.SAME, drawing, f"is identical to {first}")


def _sentence(archive: str, skip: Skip) -> str:
    return f"{'/'.join(filter(None, (archive, skip.member)))}: {skip.detail}"


def _archive(journal: Path) -> str:
    return journal.name.removesuffix(SUFFIX)
