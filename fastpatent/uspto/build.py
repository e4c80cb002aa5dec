"""Build a data set from weekly archives: convert patents archive by archive, then write lists and metadata of all."""

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from fastpatent.data.lock import only_writer
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError
from fastpatent.files import make_folder
from fastpatent.uspto.archives import Member, check_archive, scan_archive
from fastpatent.uspto.journal import Journal
from fastpatent.uspto.patent import Outcome, convert_patent
from fastpatent.uspto.publish import (
    COMMAND,
    DRAWINGS,
    SUFFIX,
    BuildReport,
    check_foreign_files,
    finished_journals,
    finished_patents,
    publish,
    remove_leftovers,
)
from fastpatent.uspto.skips import Reason, Refused, Skip

JOURNALS = "build"
NAMED = 1000  # skips listed by name per reason from an archive's table of contents; the rest is only counted
NAME_BYTES = 255  # of a file, in all usual file systems
CHUNK = 4  # patents submitted to a worker at a time: the work lost when the run is killed


def build_dataset(
    archives: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seed: int,
    test_fraction: float,
    val_fraction: float,
    limit: int,
    workers: int = 0,
    progress: Callable[[str, Generator[Outcome, None, None], int], Generator[Outcome, None, None]] | None = None,
) -> BuildReport:
    """Build a data set, resume a build, or add archives to it.

    Patents converted by an earlier call are not read again; those of an archive that has changed since are converted again.
    Two calls with the same archives write the same files.

    Args:
        archives: paths of weekly archives, tar or zip.
        out: folder of the data set: drawings in train_data/patent_data, lists in train_data, metadata.parquet, skipped.csv,
            and a journal of each archive in build.
        seed, test_fraction, val_fraction: see `split_patents`.
        limit: see `convert_patent`.
        workers: processes that convert; 0 converts in this one.
        progress: function of (title, generator of results, number of results) -> generator of the same results; or None.

    Returns:
        BuildReport of all archives of the data set.

    Raises:
        DataError: an archive is missing, not a weekly archive, or has a name that is not UTF-8 or that of another; another
            process builds in this folder, or it holds lists or drawings of another origin; there are too few patents for
            lists.
        OSError: the folder is not writable, or the disk is full; patents converted before stay.
    """
    names = Counter(map(os.path.basename, archives))
    for archive in archives:
        check_archive(archive)
        if names[os.path.basename(archive)] > 1:
            raise DataError(f"{archive}: two archives of this name; rename one of them")
        if re.search("[\ud800-\udfff]", os.path.basename(archive)):
            raise DataError(f"{archive}: the name is not UTF-8, and lists and tables have it; rename it")
        if len(os.fsencode(f"{os.path.basename(archive)}{SUFFIX}")) > NAME_BYTES:
            raise DataError(f"{archive}: the name is too long, a journal is named after it; rename it")
    folder = Path(out, JOURNALS)
    check_foreign_files(folder, out)
    make_folder(folder, "--out")
    progress = progress or (lambda title, results, number: results)
    convert = partial(convert_patent, folder=Path(out, DRAWINGS), limit=limit)
    with only_writer(folder, COMMAND):
        remove_leftovers(folder, out)
        journals = {archive: _journal(archive, folder, limit) for archive in archives}
        begun = {archive: journal for archive, journal in journals.items() if not journal.complete}
        others = set(finished_journals(folder)) - {journal.path for journal in begun.values()}
        taken = finished_patents(sorted(others)) if begun else {}
        for archive, journal in begun.items():
            with journal:
                members = _each_once(_scan(archive, journal, limit), dict(taken), journal)
                with closing(map_in_order(convert, members, workers, CHUNK)) as results:
                    with closing(progress(os.path.basename(archive), results, len(members))) as shown:
                        for outcome in shown:
                            journal.tell(outcome)
                journal.tell_complete()
            taken |= finished_patents([journal.path])  # not those refused: another archive may have them whole
        return publish(folder, out, seed, test_fraction, val_fraction)


def _journal(archive: str, folder: Path, limit: int) -> Journal:
    status = os.stat(archive)
    name = os.path.basename(archive)
    origin = {"archive": name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns, "limit": limit}
    return Journal(folder / f"{name}{SUFFIX}", origin)


def _scan(archive: str, journal: Journal, limit: int) -> list[Member]:
    """Return the `Member`s of an archive; write everything else in it to the journal, unless that was done before."""
    members: list[Member] = []
    counts: Counter[Reason] = Counter()
    skips: list[Skip] = []
    for found in scan_archive(archive, limit):
        if isinstance(found, Member):
            members.append(found)
            continue
        counts[found.reason] += 1
        if found.reason != Reason.NO_DESIGN and counts[found.reason] <= NAMED:
            skips.append(found)
    if not members and set(counts) == {Reason.NO_DESIGN}:
        skips.append(Skip(Reason.NO_DESIGN, "", "it holds no design patent"))
    if not journal.scanned:
        journal.tell_scan(counts, skips)
    return members


def _each_once(members: list[Member], taken: dict[str, str], journal: Journal) -> list[Member]:
    """Return the members still to be converted; write those whose patent comes from another member to the journal.

    Args:
        members: all of one archive.
        taken: {patent: its source}; those of `members` are added.
        journal: of their archive.
    """
    wanted = []
    for member in members:
        source = taken.get(member.patent)
        taken.setdefault(member.patent, f"{os.path.basename(member.archive)}/{member.name}")
        if member.place in journal.places:
            continue
        if source is None:
            wanted.append(member)
        else:
            refused = Refused(Reason.TWICE, f"this patent is taken from {source}")
            journal.tell(Outcome(member.name, member.place, None, [refused.skip(member.name)]))
    return wanted
