"""Building an index, adding to it and removing from it: what is known is not extracted again, and what is killed goes on.

A drawing is known by its path with the size and time of its file, else by the digest of its bytes. New ones are extracted
shard by shard (`fastpatent.search.shards`), then a generation is written of all. Of several processes each reads, extracts
and writes shards of its own; the first says which drawings, and does everything else.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.lock import only_writer
from fastpatent.data.records import Sample
from fastpatent.data.workers import map_in_order, worker_count
from fastpatent.errors import DataError, nearest
from fastpatent.evaluation.pipeline import Pipeline, are_readable
from fastpatent.files import make_folder
from fastpatent.progress import counted
from fastpatent.search.generation import Drawing, Facts, write_generation
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import FLAT, IVFPQ, MANIFEST, SHARDS, damaged_files, read_manifest, remove_leftovers
from fastpatent.search.metadata import Metadata
from fastpatent.search.nearest import ENOUGH
from fastpatent.search.network import check_network, describe_network, tolerant_pipeline
from fastpatent.search.shards import ROWS, Shard, read_shards, remove_shards, shard_file, write_shard
from fastpatent.search.sources import Pixels, Wanted, read_pixels, read_source
from fastpatent.text import escaped

JOB = "fastpatent index"
MOST_FLAT = 1_000_000  # drawings that are searched exactly where no kind is chosen
logger = logging.getLogger(__name__)


def build_index(
    cfg: CfgNode, device: torch.device, source: str, folder: str, metadata: str = "", kind: str = "", dtype: str = "float32"
) -> None:
    """Make an index of exactly the drawings of a folder or a list; every process calls this.

    An index that is there gets a new generation. What it has, or a killed build has extracted, is not extracted again.

    Args:
        cfg: configuration of the network.
        device: of this process.
        source: folder or list file.
        folder: of the index.
        metadata: table, see `Metadata`; "": none.
        kind: of KINDS; "": flat up to a million drawings, ivfpq above.
        dtype: of the vectors, of DTYPES.

    Raises:
        DataError: there is no readable drawing, the folder is of something else, or another process writes to it.
    """
    if distributed.rank() > 0:
        return _follow(tolerant_pipeline(cfg, device))
    wanted, table = read_source(cfg, source, folder), Metadata(metadata) if metadata else None
    _check_folder(folder)
    pipeline = tolerant_pipeline(cfg, device)
    network = describe_network(pipeline)
    with only_writer(make_folder(folder, "--out"), JOB):
        index = _usable(folder, network["digest"])
        before = _drawings(index) if index else {}
        found, skipped = _find(pipeline, folder, wanted, before, network["digest"], source)
        drawings = {each.path: _named(found[each.path], each, table) for each in wanted if each.path in found}
        kind = kind or (FLAT if len(drawings) <= MOST_FLAT else IVFPQ)
        _write(folder, index, before, drawings, skipped, network, [os.path.abspath(source)], kind, dtype)
    if table:
        table.report_unused()


def add_to_index(cfg: CfgNode, device: torch.device, source: str, folder: str, metadata: str = "") -> None:
    """Add the drawings of a folder or a list that are new, and renew those that were changed; every process calls this.

    Args:
        cfg: configuration of the network, see `stored_config`.
        device: of this process.
        source: folder or list file.
        folder: of the index.
        metadata: table, see `Metadata`, which also counts for drawings that are in the index; "": none.

    Raises:
        DataError: there is no index, it is of another network, or another process writes to it; as `read_source`.
    """
    if distributed.rank() > 0:
        return _follow(tolerant_pipeline(cfg, device))
    wanted, table = read_source(cfg, source, folder), Metadata(metadata) if metadata else None
    pipeline = tolerant_pipeline(cfg, device)
    network = describe_network(pipeline)
    check_network(folder, read_manifest(folder)["network"], network)
    with only_writer(folder, JOB):
        remove_leftovers(folder)
        index = _whole(folder)
        check_network(folder, index.manifest["network"], network)  # once more: another process may have written since
        before = _drawings(index)
        found, skipped = _find(pipeline, folder, wanted, before, network["digest"], source)
        asked = {each.path: each for each in wanted}
        others = {path: drawing for path, drawing in before.items() if path not in asked}
        drawings = {}
        for path, drawing in {**others, **found}.items():
            earlier = before[path].facts if path in before else None
            each = asked.get(path) or Wanted(path, path, drawing.facts.patent)
            drawings[path] = _named(drawing, each, table, earlier)
        names = {escaped(path) for path in drawings}
        skipped = {path: reason for path, reason in index.skipped().items() if path not in names} | skipped
        sources = dict.fromkeys([*index.manifest["sources"], os.path.abspath(source)])
        settings = index.manifest["kind"], index.manifest["dtype"]
        _write(folder, index, before, drawings, skipped, index.manifest["network"], list(sources), *settings)
    if table:
        table.report_unused()


def remove_from_index(folder: str, names: Sequence[str]) -> None:
    """Remove patents, by name, and drawings, by path.

    Raises:
        DataError: a name is neither, nothing would be left, there is no index, or another process writes to it.
    """
    read_manifest(folder)
    with only_writer(folder, JOB):
        remove_leftovers(folder)
        index = _whole(folder)
        before = _drawings(index)
        left = dict(before)
        for name in names:
            of_patent = [index.path(row) for row in index.rows_of(name).tolist()]
            paths = of_patent or [path for path in (name, os.path.abspath(name)) if path in before]
            if not paths:
                raise DataError(f"{folder}: has no patent and no drawing {name}{nearest(name, index.patents)}")
            for path in paths:
                left.pop(path, None)
        if not left:
            raise DataError(f"{folder}: no drawing would be left; remove the folder instead")
        logger.info(f"{len(before) - len(left)} drawings removed")
        manifest = index.manifest
        settings = manifest["network"], manifest["sources"], manifest["kind"], manifest["dtype"]
        _write(folder, index, before, left, index.skipped(), *settings)


def _check_folder(folder: str) -> None:
    """Raise DataError where a folder has anything but an index."""
    names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    if names - {".lock"} and not names & {MANIFEST, SHARDS}:
        raise DataError(f"--out {folder}: is there already and is no index; choose another folder")


def _usable(folder: str, network: str) -> Index | None:
    """Return the index that is in a folder; None where there is none, or one that is damaged or of another network."""
    if not (Path(folder) / MANIFEST).exists():
        return None
    remove_leftovers(folder)
    try:
        index = _whole(folder)
    except DataError as error:
        logger.warning(f"{error}; nothing of it is reused")
        return None
    return index if index.manifest["network"]["digest"] == network else None


def _whole(folder: str) -> Index:
    """Open an index whose files have the right checksums: what is damaged goes into no new generation."""
    index = open_index(folder)
    if faults := damaged_files(folder, index.manifest):
        raise DataError(f"{faults[0]}; build the index again")
    return index


def _drawings(index: Index) -> dict[str, Drawing]:
    """Return the drawings of an index by path, in the order of its rows."""
    found = {}
    rows = (row for batch in index.drawings.to_batches(ROWS) for row in batch.to_pylist())
    for number, row in enumerate(rows):
        path, facts = os.fsdecode(row["path"]), Facts(**{name: row[name] for name in Facts._fields})
        facts = facts._replace(classes=tuple(facts.classes))
        found[path] = Drawing(path, facts, row["size"], row["changed"], row["digest"], index, number)
    return found


def _find(
    pipeline: Pipeline, folder: str, wanted: Iterable[Wanted], before: Mapping[str, Drawing], network: str, source: str
) -> tuple[dict[str, Drawing], dict[str, str]]:
    """Find the vectors of drawings: those that are known, and by extraction the others, which shards have then.

    Returns:
        ({path: Drawing}, {path, escaped: why it cannot be read}).

    Raises:
        DataError: none can be read.
    """
    known = dict(before)
    for shard in read_shards(folder, network):
        known |= _of_shard(shard)
    by_digest = {drawing.digest: drawing for drawing in known.values()}
    found: dict[str, Drawing] = {}
    unknown: list[str] = []
    for each in sorted(wanted, key=lambda each: (each.patent, os.fsencode(each.path))):  # as the rows of an index
        drawing = known.get(each.path)
        if drawing and (drawing.size, drawing.changed) == _state(each.path):
            found[each.path] = drawing
        else:
            unknown.append(each.path)
    reused, skipped = len(found), {}
    processes = distributed.world_size()
    for start in range(0, len(unknown), processes * ROWS):
        part = unknown[start : start + processes * ROWS]
        name = source if len(part) == len(unknown) else f"{source}, {start + 1} to {start + len(part)} of {len(unknown)}"
        size = -(-len(part) // processes)
        shares = [part[place * size : (place + 1) * size] for place in range(processes)]
        files = [str(shard_file(folder, place)) for place in range(processes)]
        asked = _shared([name, network, shares, files])
        read = _read(pipeline, asked)
        new: list[list[str]] = []
        for states in distributed.collect(_states(read)) or ():
            new.append([])
            for path, (reason, bytes_, changed, digest) in states.items():
                if reason:
                    skipped[escaped(path)] = escaped(reason)
                elif drawing := by_digest.get(bytes.fromhex(digest)):
                    found[path] = drawing._replace(path=path, size=bytes_, changed=changed)
                    reused += 1
                else:
                    new[-1].append(path)
        for broken in distributed.collect(_extract(pipeline, asked, read, _shared(new))) or ():
            skipped |= {escaped(path): escaped(reason) for path, reason in broken.items()}
        for file in filter(os.path.exists, files):
            extracted = _of_shard(Shard(Path(file), network))
            found |= extracted
            by_digest |= {drawing.digest: drawing for drawing in extracted.values()}
    _shared([])
    if not found:
        raise DataError(f"{source}: no image in it can be read; first {next(iter(skipped.values()))}")
    if len({drawing.store.vectors.shape[1] for drawing in found.values()}) > 1:
        raise DataError(f"{folder}: has vectors of several lengths; it is damaged, build it anew in another folder")
    logger.info(f"{source}: {len(found) - reused} drawings extracted, {reused} known, {len(skipped)} skipped")
    return found, skipped


def _follow(pipeline: Pipeline) -> None:
    """Read and extract with the first process, which says what, until it has no more."""
    while asked := _shared([]):
        read = _read(pipeline, asked)
        distributed.collect(_states(read))
        distributed.collect(_extract(pipeline, asked, read, _shared([])))


def _read(pipeline: Pipeline, asked: list) -> dict[str, Pixels | str]:
    """Read the files that are this process's share; return {path: what is read of it, or why it cannot be read}."""
    name, _, shares, _ = asked
    share = shares[distributed.rank()]
    workers = worker_count(pipeline.cfg.DATALOADER.NUM_WORKERS)[0]
    read = map_in_order(partial(read_pixels, most=pipeline.cfg.INPUT.MAX_PIXELS), share, workers)
    return dict(zip(share, counted(f"reading {name}", read, len(share))))


def _states(read: Mapping[str, Pixels | str]) -> dict[str, tuple[str, int, int, str]]:
    """Return {path: (why it cannot be read, size, changed, digest)}, plain values that another process may be sent."""
    return {
        path: (found, 0, 0, "") if isinstance(found, str) else ("", found.size, found.changed, found.digest.hex())
        for path, found in read.items()
    }


def _extract(
    pipeline: Pipeline, asked: list, read: Mapping[str, Pixels | str], new: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Extract those of this process's files that are new, into a shard; return {path: why it cannot be read}."""
    (name, network, _, files), rank = asked, distributed.rank()
    broken: dict[str, str] = {}
    if samples := [Sample(path, None) for path in new[rank]]:
        with distributed.apart():
            features = pipeline.embed_images(samples, name, broken)
        assert features is not None, "this process has the features"
        paths = [path for path in new[rank] if path not in broken]
        pixels = [found for path in paths if not isinstance(found := read[path], str)]
        write_shard(Path(files[rank]), network, paths, pixels, features[are_readable(samples, broken)])
    return broken


def _of_shard(shard: Shard) -> dict[str, Drawing]:
    """Return {path: Drawing} of a shard."""
    files = enumerate(shard.files)
    return {
        path: Drawing(path, Facts(""), size, changed, digest, shard, row) for row, (path, size, changed, digest) in files
    }


def _shared(value: list) -> list:
    """Return the list of the first process, in every process."""
    shared = distributed.collect(value, everywhere=True)
    assert shared, "everywhere"
    return shared[0]


def _named(drawing: Drawing, wanted: Wanted, table: Metadata | None, earlier: Facts | None = None) -> Drawing:
    """Return a drawing with what a table has of it, else with what was known earlier, else with its patent alone."""
    facts = table.facts(wanted) if table else None
    return drawing._replace(facts=facts or earlier or Facts(wanted.patent))


def _write(
    folder: str,
    index: Index | None,
    before: Mapping[str, Drawing],
    drawings: Mapping[str, Drawing],
    skipped: dict[str, str],
    network: dict,
    sources: Sequence[str],
    kind: str,
    dtype: str,
) -> None:
    """Write a generation, unless it would be as the current one, report it, and remove the shards."""
    settings = {"kind": kind, "dtype": dtype, "sources": list(sources)}
    same = index and drawings == before and skipped == index.skipped()
    if index and same and all(index.manifest[key] == value for key, value in settings.items()):
        manifest = index.manifest
        logger.info("nothing has changed")
    else:
        manifest = write_generation(folder, list(drawings.values()), skipped, network, **settings)
    remove_shards(folder)
    logger.info(f"{folder}: {manifest['drawings']} drawings of {manifest['patents']} patents, kind {manifest['kind']}")
    if skipped:
        logger.warning(f"{len(skipped)} images are not in the index, first {next(iter(skipped.values()))}")
    report_recall(manifest)


def report_recall(manifest: dict) -> None:
    """Log how much an approximate search finds; a warning where that is little."""
    if manifest["recall"]:
        shares = [f"{recall:.3f} of {float(share):.0%} of the drawings" for share, recall in manifest["recall"].items()]
        low = min(manifest["recall"].values()) < ENOUGH
        advice = f"; below {ENOUGH:g}, --kind flat or hnsw finds more" if low else ""
        logger.log(
            logging.WARNING if low else logging.INFO,
            f"{manifest['kind']}: recall@10 against exact search {', '.join(shares)}{advice}",
        )


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
