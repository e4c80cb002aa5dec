"""Make a pack, complete it, or verify and repair what is there."""

import os
import re
import shutil
import zlib
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, islice
from pathlib import Path

from fastpatent.data.lock import only_writer
from fastpatent.data.pack.shard import (
    DRAWINGS_A_SHARD,
    INDEX,
    PIXELS,
    Entry,
    map_pixels,
    read_shards,
    stored_path,
    write_shard,
)
from fastpatent.data.pack.verify import State, verify_shard
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError

TEMPORARY = re.compile(r"\.\d+\.\d{5}\.(json|\d+\.u8)")  # as `write_atomically` names them
INDEX_LINE = 200  # bytes, generously: what an index takes for a drawing
GIGABYTE = 10**9


@dataclass
class PackReport:
    """What was done to a pack.

    Attributes:
        kept: packed drawings found as they should be.
        repaired: packed drawings decoded again, because they were damaged or their file has changed.
        added: drawings packed for the first time.
        replaced: a sentence for every index that was of no use and was removed.
        unreadable: a sentence for every drawing that could not be decoded.
    """

    kept: int = 0
    repaired: int = 0
    added: int = 0
    replaced: list = field(default_factory=list)
    unreadable: list = field(default_factory=list)

    @property
    def drawings(self):
        """How many the pack now has."""
        return self.kept + self.repaired + self.added


def write_pack(folder, size, root, paths, decode, workers=0, progress=None, shard_drawings=DRAWINGS_A_SHARD):
    """Verify every drawing of a pack, decode again those that are damaged or have changed, and add those that are missing.

    A kill loses the shard it was writing; the next call goes on from there. A drawing that cannot be decoded is left out
    and reported. Drawings of the pack other than `paths` are verified too, and kept.

    Args:
        folder: of the pack; made where it is not there.
        size: PackSize.
        root: DATASETS.ROOT.
        paths: the drawings that must be in the pack.
        decode: function of a path -> uint8 [size.height, size.width]; can be sent to another process.
        workers: processes that verify and decode; 0 does it in this one.
        progress: function of (title, generator of results, number of results) -> generator of the same results; or None.
        shard_drawings: drawings in a full shard.

    Returns:
        PackReport.

    Raises:
        DataError: another process writes to this pack, or the disk is too small.
        OSError: the folder may not be written to, or the disk is full; the shards finished before are kept.
    """
    progress = progress or (lambda title, results, number: results)
    _make(folder)
    with only_writer(folder, "fastpatent data pack"):
        shards, faults = read_shards(folder, size)
        _remove_leftovers(folder, shards)
        report = PackReport(replaced=[str(fault) for fault in faults])
        with closing(map_in_order(partial(verify_shard, root=root), shards, workers, chunk=1)) as results:
            with closing(progress("verifying shards", results, len(shards))) as shown:
                verified = list(zip(shards, shown))
        prefix = os.path.join(os.path.abspath(root), "")
        wanted = {stored_path(path, prefix) for path in paths}
        _count_kept(report, verified, wanted, prefix)
        broken = [(shard, states) for shard, states in verified if not all(state.is_kept for state in states)]
        again = [entry.path for shard, states in broken for entry, state in zip(shard.entries, states) if not state.is_kept]
        missing = sorted(wanted.difference(entry.path for shard in shards for entry in shard.entries))
        _check_space(folder, size, len(missing) + max((len(shard.entries) for shard, _ in broken), default=0))
        jobs = again + missing
        with closing(map_in_order(partial(_pack, root=prefix, decode=decode), jobs, workers)) as results:
            with closing(progress("packing", results, len(jobs))) as shown:
                decoded = _readable(shown, report)
                for shard, states in broken:
                    _repair(shard, states, decoded, report)
                _add(folder, size, {shard.number for shard in shards}, decoded, shard_drawings, report)
    return report


def _make(folder):
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{folder}: no folder for a pack can be made, a part of this path is a file") from error


def _remove_leftovers(folder, shards):
    """Remove what a killed run left half done, and indexes that are of no use."""
    used = {path.name for shard in shards for path in (shard.index, shard.pixels)}
    for name in os.listdir(folder):
        ours = INDEX.fullmatch(name) or PIXELS.fullmatch(name) or TEMPORARY.fullmatch(name)
        if ours and name not in used:
            os.unlink(os.path.join(folder, name))


def _count_kept(report, verified, wanted, prefix):
    for shard, states in verified:
        for entry, state in zip(shard.entries, states):
            report.kept += state.is_kept
            if state is State.ORPHANED and entry.path in wanted:
                report.unreadable.append(f"{os.path.join(prefix, entry.path)}: No such file or directory")


def _check_space(folder, size, drawings):
    needed, free = drawings * (size.bytes + INDEX_LINE), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(f"{folder}: packing takes {needed / GIGABYTE:.2f} GB, the disk has {free / GIGABYTE:.2f} GB free")


def _pack(path, root, decode):
    """Return (Entry, uint8 [height, width]) of one drawing, or a sentence where it cannot be decoded."""
    full_path = os.path.join(root, path)
    try:
        status = os.stat(full_path)  # before it is read, so that a file written meanwhile is seen as changed
        drawing = decode(full_path)
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{full_path}: {error.strerror}"
    return Entry(path, status.st_size, status.st_mtime_ns, zlib.crc32(drawing)), drawing


def _readable(results, report):
    """Yield the results of `_pack`, None instead of each sentence, which is reported."""
    for result in results:
        if isinstance(result, str):
            report.unreadable.append(result)
            result = None
        yield result


def _repair(shard, states, decoded, report):
    """Write a shard anew, its good drawings copied and the next of `decoded` in the places of the others."""

    def drawings():
        pixels = map_pixels(shard.pixels, len(shard.entries), shard.size) if any(s.is_kept for s in states) else ()
        for slot, (entry, state) in enumerate(zip(shard.entries, states)):
            if state.is_kept:
                yield entry, pixels[slot]
            elif (result := next(decoded)) is not None:
                report.repaired += 1
                yield result

    folder = shard.index.parent
    if not _write(folder, shard.number, shard.generation + 1, shard.size, drawings()):
        shard.index.unlink()
    shard.pixels.unlink(missing_ok=True)


def _add(folder, size, taken, decoded, shard_drawings, report):
    """Write new shards, under numbers that are not taken, of what is left of `decoded`."""

    def drawings():
        for result in decoded:
            if result is not None:
                report.added += 1
                yield result

    new = drawings()
    numbers = (number for number in count() if number not in taken)
    while _write(folder, next(numbers), 0, size, islice(new, shard_drawings)):
        pass


def _write(folder, number, generation, size, drawings):
    """Write a shard and return True; False where there is no drawing for it."""
    first = next(drawings, None)
    if first is not None:
        write_shard(Path(folder), number, generation, size, chain([first], drawings))
    return first is not None
