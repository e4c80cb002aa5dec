"""Writing a pack: creating, completing, verifying and repairing it."""

import os
import shutil
import zlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import PIL

from fastpatent.data.confinement import OUTSIDE, Confinement
from fastpatent.data.lock import only_writer
from fastpatent.data.pack.shard import (
    DRAWINGS_A_SHARD,
    INDEX,
    PIXELS,
    Entry,
    PackSize,
    Shard,
    begins_as_index,
    check_pixels,
    map_pixels,
    read_shards,
    stored_path,
    write_shard,
)
from fastpatent.data.pack.verify import State, verify_shard
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError
from fastpatent.files import remove_files, remove_temporaries, sha256_of

INDEX_LINE = 200  # upper estimate of the bytes per drawing in an index
MEGABYTE = 10**6

Packed = tuple[Entry, np.ndarray]  # an entry and its pixels, uint8 [height, width]
Result = TypeVar("Result")


class Progress(Protocol):
    """Function of (title, generator of results, number of results) -> generator of the same results."""

    def __call__(
        self, title: str, results: Generator[Result, None, None], number: int, /
    ) -> Generator[Result, None, None]: ...


@dataclass
class PackReport:
    """The result of `write_pack`.

    Attributes:
        kept: number of packed drawings that were intact.
        repaired: number of packed drawings decoded again, because they were damaged or their file has changed.
        added: number of drawings packed for the first time.
        alone: number of those kept of a portable pack whose files are not here to be compared with.
        replaced: an error message for every index that could not be used and was removed.
        unreadable: an error message for every drawing that could not be decoded.
    """

    kept: int = 0
    repaired: int = 0
    added: int = 0
    alone: int = 0
    replaced: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def drawings(self) -> int:
        """The number of drawings in the pack."""
        return self.kept + self.repaired + self.added


def write_pack(
    folder: str | os.PathLike[str],
    size: PackSize,
    root: str | os.PathLike[str],
    paths: Iterable[str],
    decode: Callable[[str], np.ndarray],
    workers: int = 0,
    progress: Progress | None = None,
    shard_drawings: int = DRAWINGS_A_SHARD,
    within: str | None = None,
    portable: bool = False,
) -> PackReport:
    """Verify every drawing of a pack, decode again those that are damaged or have changed, and add those that are missing.

    A killed run loses only the shard it was writing; the next call continues from there. Drawings that cannot be decoded are
    skipped and reported. Drawings of the pack that are not in `paths` are also verified and kept.

    Args:
        folder: folder of the pack; created if it does not exist.
        size: PackSize.
        root: DATASETS.ROOT.
        paths: the drawings that must be in the pack.
        decode: picklable function of a path -> uint8 [size.height, size.width].
        workers: number of processes that verify and decode; 0: this process.
        progress: see `Progress`; None shows nothing.
        shard_drawings: number of drawings in a full shard.
        within: folder that a drawing must lie in to be decoded, see `confined_to`, since the index of a pack from elsewhere
            may name any file; None: anywhere.
        portable: the pack can be read without the files, and with another version of Pillow. One that is not yet is decoded
            again; one that is stays so.

    Returns:
        PackReport.

    Raises:
        DataError: another process writes to this pack, the folder has indexes of another origin, or the disk is too small.
        OSError: the folder cannot be written to, or the disk is full; the shards finished before are kept.
    """
    progress = progress or _without_progress
    _make(folder)
    with only_writer(folder, "fastpatent data pack"):
        shards, faults = read_shards(folder, size)
        _check_foreign_files(folder)
        _remove_leftovers(folder, shards)
        report = PackReport(replaced=[str(fault) for fault in faults])
        with closing(map_in_order(partial(verify_shard, root=root), shards, workers, chunk=1)) as results:
            with closing(progress("verifying shards", results, len(shards))) as shown:
                verified = list(zip(shards, shown))
        portable = portable or any(shard.portable for shard in shards)
        for shard, states in verified:
            if portable and not shard.portable:  # digests are wanted
                states[:] = [State.CHANGED if state is State.GOOD else state for state in states]
        prefix = os.path.join(os.path.abspath(root), "")
        wanted = {stored_path(path, prefix) for path in paths}
        _count_kept(report, verified, wanted, prefix)
        broken = [(shard, states) for shard, states in verified if not _is_whole(shard, states, portable)]
        again = [entry.path for shard, states in broken for entry, state in zip(shard.entries, states) if not state.is_kept]
        missing = sorted(wanted.difference(entry.path for shard in shards for entry in shard.entries))
        _check_space(folder, size, len(missing) + max((len(shard.entries) for shard, _ in broken), default=0))
        jobs = again + missing
        pack = partial(_pack, root=prefix, decode=decode, confinement=Confinement(within), portable=portable)
        with closing(map_in_order(pack, jobs, workers)) as results:
            with closing(progress("packing", results, len(jobs))) as shown:
                decoded = _readable(shown, report)
                for shard, states in broken:
                    _repair(shard, states, decoded, report, portable)
                _add(folder, size, {shard.number for shard in shards}, decoded, shard_drawings, report, portable)
    return report


def _without_progress(title: str, results: Generator[Result, None, None], number: int) -> Generator[Result, None, None]:
    return results


def _make(folder: str | os.PathLike[str]) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{folder}: the folder of the pack cannot be created, a part of this path is a file") from error


def _check_foreign_files(folder: str | os.PathLike[str]) -> None:
    """Raise DataError where files have the names of indexes and none begins as one, before they are removed as damaged."""
    indexes = [Path(folder, name) for name in os.listdir(folder) if INDEX.fullmatch(name)]
    if indexes and not any(map(begins_as_index, indexes)):
        raise DataError(f"{min(indexes)}: was not written by `fastpatent data pack`; choose another DATASETS.PACKS")


def _remove_leftovers(folder: str | os.PathLike[str], shards: list[Shard]) -> None:
    """Remove partial files of a killed run and indexes that cannot be used."""
    remove_temporaries(folder, ("[0-9]*.json", "[0-9]*.u8"))
    used = {path.name for shard in shards for path in (shard.index, shard.pixels)}
    for name in os.listdir(folder):
        if (INDEX.fullmatch(name) or PIXELS.fullmatch(name)) and name not in used:
            remove_files([Path(folder, name)])


def _is_whole(shard: Shard, states: list[State], portable: bool) -> bool:
    """Return whether no drawing of a shard has to be packed again, no reader refuses its pixels, and it is as portable."""
    try:
        check_pixels(shard)
    except DataError:
        return False
    return shard.portable == portable and all(state.is_kept for state in states)


def _count_kept(report: PackReport, verified: list[tuple[Shard, list[State]]], wanted: set[str], prefix: str) -> None:
    for shard, states in verified:
        for entry, state in zip(shard.entries, states):
            report.kept += state.is_kept
            if state is State.ORPHANED and shard.portable:
                report.alone += 1
            elif state is State.ORPHANED and entry.path in wanted:
                report.unreadable.append(f"{os.path.join(prefix, entry.path)}: No such file or directory")


def _check_space(folder: str | os.PathLike[str], size: PackSize, drawings: int) -> None:
    needed, free = drawings * (size.bytes + INDEX_LINE), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(f"{folder}: packing takes {needed / MEGABYTE:,.1f} MB, the disk has {free / MEGABYTE:,.1f} MB free")


def _pack(
    path: str, root: str, decode: Callable[[str], np.ndarray], confinement: Confinement, portable: bool
) -> Packed | str:
    """Return the entry and pixels of one drawing, or an error message if it cannot be decoded."""
    full_path = os.path.join(root, path)
    if target := confinement.target(full_path):
        return f"{OUTSIDE}: {full_path} -> {target}"
    try:
        status = os.stat(full_path)  # before reading, so that a file written meanwhile counts as changed
        stamp = sha256_of(full_path) if portable else status.st_mtime_ns
        drawing = decode(full_path)
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{full_path}: {error.strerror}"
    return Entry(path, status.st_size, stamp, zlib.crc32(drawing.data)), drawing


def _readable(results: Iterable[Packed | str], report: PackReport) -> Iterator[Packed | None]:
    """Yield the results of `_pack`; an error message is added to the report and replaced by None."""
    for result in results:
        if isinstance(result, str):
            report.unreadable.append(result)
            yield None
        else:
            yield result


def _repair(shard: Shard, states: list[State], decoded: Iterator[Packed | None], report: PackReport, portable: bool) -> None:
    """Rewrite a shard: copy its intact drawings and replace the others by the next of `decoded`."""
    kept = any(state.is_kept for state in states)

    def drawings() -> Iterator[Packed]:
        pixels = map_pixels(shard.pixels, len(shard.entries), shard.size) if kept else np.empty(0, np.uint8)
        for slot, (entry, state) in enumerate(zip(shard.entries, states)):
            if state.is_kept:
                yield entry if shard.portable == portable else entry._replace(stamp=""), pixels[slot]
            elif (result := next(decoded)) is not None:
                report.repaired += 1
                yield result

    folder = shard.index.parent
    pillow = ", ".join(sorted({PIL.__version__, *(shard.pillow.split(", ") if kept else ())}))
    if not _write(folder, shard.number, shard.generation + 1, shard.size, drawings(), portable, pillow):
        shard.index.unlink()
    shard.pixels.unlink(missing_ok=True)


def _add(
    folder: str | os.PathLike[str],
    size: PackSize,
    taken: Collection[int],
    decoded: Iterator[Packed | None],
    shard_drawings: int,
    report: PackReport,
    portable: bool,
) -> None:
    """Write the rest of `decoded` to new shards, with numbers that are not in `taken`."""

    def drawings() -> Iterator[Packed]:
        for result in decoded:
            if result is not None:
                report.added += 1
                yield result

    new = drawings()
    numbers = (number for number in count() if number not in taken)
    while _write(folder, next(numbers), 0, size, islice(new, shard_drawings), portable):
        pass


def _write(
    folder: str | os.PathLike[str],
    number: int,
    generation: int,
    size: PackSize,
    drawings: Iterator[Packed],
    portable: bool,
    pillow: str = PIL.__version__,
) -> bool:
    """Write a shard and return True; without drawings, write nothing and return False."""
    first = next(drawings, None)
    if first is not None:
        write_shard(Path(folder), number, generation, size, chain([first], drawings), portable, pillow)
    return first is not None
