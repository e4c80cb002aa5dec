"""Building an index, adding to it and removing from it: what is known is not extracted again, and what is killed goes on.

A file is known by its path with its size and time, else by the digest of its bytes. New ones are extracted shard by shard
(`fastpatent.search.shards`), then a generation is written of all. Of several processes each reads, extracts and writes
shards of its own; the first says which files, and does everything else.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.config.keys.search import FAISS
from fastpatent.data.image import inverts
from fastpatent.data.lock import only_writer
from fastpatent.data.workers import map_in_order, worker_count
from fastpatent.errors import ConfigError, DataError, nearest
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.files import make_folder
from fastpatent.progress import counted
from fastpatent.search.figures import figure_of, figure_sample
from fastpatent.search.generation import Drawing, Facts, write_generation
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import DTYPES, FLAT, IVFPQ, MANIFEST, SHARDS, damaged_files, read_manifest, remove_leftovers
from fastpatent.search.metadata import Metadata
from fastpatent.search.milvus import TOKEN, Place, Unreachable
from fastpatent.search.milvus_vectors import place_of
from fastpatent.search.nearest import ENOUGH
from fastpatent.search.network import check_network, describe_network, tolerant_pipeline
from fastpatent.search.shards import ROWS, Shard, read_shards, remove_shards, shard_file, write_shard
from fastpatent.search.sources import Pixels, Wanted, read_pixels, read_source
from fastpatent.text import escaped

JOB = "fastpatent index"
MOST_FLAT = 1_000_000  # drawings that are searched exactly where no kind is chosen
logger = logging.getLogger(__name__)


def build_index(
    cfg: CfgNode,
    device: torch.device,
    source: str,
    folder: str,
    metadata: str = "",
    kind: str = "",
    dtype: str = "float32",
    figures: bool = False,
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
        figures: split sheets into their figures, each a drawing.

    Raises:
        DataError: there is no readable drawing, the folder is of something else, or another process writes to it.
    """
    if distributed.rank() > 0:
        return _follow(tolerant_pipeline(cfg, device))
    place = _place(cfg, dtype)
    wanted, table = read_source(cfg, source, folder), Metadata(metadata) if metadata else None
    _check_folder(folder)
    pipeline = tolerant_pipeline(cfg, device)
    network = describe_network(pipeline)
    with only_writer(make_folder(folder, "--out"), JOB):
        index = _usable(folder, network["digest"], figures)
        before = _drawings(index) if index else {}
        found, skipped = _find(pipeline, folder, wanted, before, network["digest"], source, figures)
        drawings = {each.path: _named(found[each.path], each, table) for each in wanted if each.path in found}
        kind = kind or (FLAT if _count(drawings) <= MOST_FLAT else IVFPQ)
        settings = {"kind": kind, "dtype": dtype, "figures": figures, "place": place}
        _write(folder, index, before, drawings, skipped, network, [os.path.abspath(source)], settings)
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
        settings = _settings(index)
        if _place(cfg, DTYPES[0]) not in (None, settings["place"]):
            raise DataError(f"{folder}: its vectors are elsewhere than SEARCH.URI and the other keys say; build moves them")
        before = _drawings(index)
        found, skipped = _find(pipeline, folder, wanted, before, network["digest"], source, settings["figures"])
        asked = {each.path: each for each in wanted}
        others = {path: of_file for path, of_file in before.items() if path not in asked}
        drawings = {}
        for path, of_file in {**others, **found}.items():
            earlier = before[path][0].facts if path in before else None
            each = asked.get(path) or Wanted(path, path, of_file[0].facts.patent)
            drawings[path] = _named(of_file, each, table, earlier)
        names = {escaped(path) for path in drawings}
        skipped = {path: reason for path, reason in index.skipped().items() if path not in names} | skipped
        sources = dict.fromkeys([*index.manifest["sources"], os.path.abspath(source)])
        _write(folder, index, before, drawings, skipped, index.manifest["network"], list(sources), settings)
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
        logger.info(f"{_count(before) - _count(left)} drawings removed")
        network, sources = index.manifest["network"], index.manifest["sources"]
        _write(folder, index, before, left, index.skipped(), network, sources, _settings(index))


def _settings(index: Index) -> dict[str, Any]:
    """Return the settings of an index, as `write_generation` takes them."""
    return {key: index.manifest[key] for key in ("kind", "dtype", "figures")} | {"place": place_of(index.manifest)}


def _place(cfg: CfgNode, dtype: str) -> Place | None:
    """Return where a configuration puts vectors in Milvus; None for files."""
    settings = cfg.SEARCH
    if settings.BACKEND == FAISS:
        return None
    if not settings.URI:
        raise ConfigError("SEARCH.BACKEND milvus: give its address, SEARCH.URI http://host:19530")
    if "@" in settings.URI:  # it is not shown
        raise ConfigError(
            f"SEARCH.URI: has a name and a password; they belong into {TOKEN} of the environment, NAME:PASSWORD"
        )
    if dtype != DTYPES[0]:
        raise ConfigError(f"--dtype {dtype}: vectors in Milvus are {DTYPES[0]}")
    uri = os.path.abspath(settings.URI) if settings.URI.endswith(".db") else settings.URI
    return Place(uri, settings.COLLECTION, settings.SHARDS, settings.REPLICAS)


def _check_folder(folder: str) -> None:
    """Raise DataError where a folder has anything but an index."""
    names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    if names - {".lock"} and not names & {MANIFEST, SHARDS}:
        raise DataError(f"--out {folder}: is there already and is no index; choose another folder")


def _usable(folder: str, network: str, figures: bool) -> Index | None:
    """Return the index that is in a folder; None without one, or one that is damaged or of other settings."""
    if not (Path(folder) / MANIFEST).exists():
        return None
    remove_leftovers(folder)
    try:
        index = _whole(folder)
    except Unreachable:
        raise
    except DataError as error:
        logger.warning(f"{error}; nothing of it is reused")
        return None
    same = index.manifest["network"]["digest"] == network and index.manifest["figures"] == figures
    return index if same else None


def _whole(folder: str) -> Index:
    """Open an index whose files have the right checksums: what is damaged goes into no new generation."""
    index = open_index(folder)
    if faults := damaged_files(folder, index.manifest):
        raise DataError(f"{faults[0]}; build the index again")
    return index


def _drawings(index: Index) -> dict[str, list[Drawing]]:
    """Return the drawings of each file of an index, in the order of its rows."""
    found: dict[str, list[Drawing]] = {}
    rows = (row for batch in index.drawings.to_batches(ROWS) for row in batch.to_pylist())
    for number, row in enumerate(rows):
        path, facts = os.fsdecode(row["path"]), Facts(**{name: row[name] for name in Facts._fields})
        facts = facts._replace(classes=tuple(facts.classes))
        drawing = Drawing(path, facts, row["size"], row["changed"], row["digest"], index, number, figure_of(row["figure"]))
        found.setdefault(path, []).append(drawing)
    return found


def _count(drawings: Mapping[str, list[Drawing]]) -> int:
    return sum(map(len, drawings.values()))


def _find(
    pipeline: Pipeline,
    folder: str,
    wanted: Iterable[Wanted],
    before: Mapping[str, list[Drawing]],
    network: str,
    source: str,
    figures: bool,
) -> tuple[dict[str, list[Drawing]], dict[str, str]]:
    """Find the vectors of drawings: those that are known, and by extraction the others, which shards have then.

    Returns:
        ({path: its drawings}, {path, escaped: why it cannot be read}).

    Raises:
        DataError: none can be read.
    """
    network += ", figures" * figures
    known = dict(before)
    for shard in read_shards(folder, network):
        known |= _of_shard(shard)
    by_digest = {of_file[0].digest: of_file for of_file in known.values()}
    found: dict[str, list[Drawing]] = {}
    unknown: list[str] = []
    for each in sorted(wanted, key=lambda each: (each.patent, os.fsencode(each.path))):  # as the rows of an index
        of_file = known.get(each.path)
        if of_file and (of_file[0].size, of_file[0].changed) == _state(each.path):
            found[each.path] = of_file
        else:
            unknown.append(each.path)
    reused, skipped = _count(found), {}
    processes = distributed.world_size()
    for start in range(0, len(unknown), processes * ROWS):
        part = unknown[start : start + processes * ROWS]
        name = source if len(part) == len(unknown) else f"{source}, {start + 1} to {start + len(part)} of {len(unknown)}"
        size = -(-len(part) // processes)
        shares = [part[place * size : (place + 1) * size] for place in range(processes)]
        files = [str(shard_file(folder, place)) for place in range(processes)]
        asked = _shared([name, network, shares, files, figures])
        read = _read(pipeline, asked)
        new: list[list[str]] = []
        for states in distributed.collect(_states(read)) or ():
            new.append([])
            for path, (reason, bytes_, changed, digest) in states.items():
                if reason:
                    skipped[escaped(path)] = escaped(reason)
                elif of_file := by_digest.get(bytes.fromhex(digest)):
                    found[path] = [drawing._replace(path=path, size=bytes_, changed=changed) for drawing in of_file]
                    reused += len(of_file)
                else:
                    new[-1].append(path)
        for broken in distributed.collect(_extract(pipeline, asked, read, _shared(new))) or ():
            skipped |= {escaped(path): escaped(reason) for path, reason in broken.items()}
        for file in filter(os.path.exists, files):
            extracted = _of_shard(Shard(Path(file), network))
            found |= extracted
            by_digest |= {of_file[0].digest: of_file for of_file in extracted.values()}
    _shared([])
    if not found:
        raise DataError(f"{source}: no image in it can be read; first {next(iter(skipped.values()))}")
    if len({drawing.store.vectors.shape[1] for of_file in found.values() for drawing in of_file}) > 1:
        raise DataError(f"{folder}: has vectors of several lengths; it is damaged, build it anew in another folder")
    logger.info(f"{source}: {_count(found) - reused} drawings extracted, {reused} known, {len(skipped)} skipped")
    return found, skipped


def _follow(pipeline: Pipeline) -> None:
    """Read and extract with the first process, which says what, until it has no more."""
    while asked := _shared([]):
        read = _read(pipeline, asked)
        distributed.collect(_states(read))
        distributed.collect(_extract(pipeline, asked, read, _shared([])))


def _read(pipeline: Pipeline, asked: list[Any]) -> dict[str, list[Pixels] | str]:
    """Read the files that are this process's share; return {path: what is read of it, or why it cannot be read}."""
    name, _, shares, _, figures = asked
    share, settings = shares[distributed.rank()], pipeline.cfg
    read = partial(read_pixels, invert=inverts(settings), most=settings.INPUT.MAX_PIXELS, figures=figures)
    found = map_in_order(read, share, worker_count(settings.DATALOADER.NUM_WORKERS)[0])
    return dict(zip(share, counted(f"reading {name}", found, len(share))))


def _states(read: Mapping[str, list[Pixels] | str]) -> dict[str, tuple[str, int, int, str]]:
    """Return {path: (why it cannot be read, size, changed, digest)}, plain values that another process may be sent."""
    return {
        path: (found, 0, 0, "") if isinstance(found, str) else ("", found[0].size, found[0].changed, found[0].digest.hex())
        for path, found in read.items()
    }


def _extract(
    pipeline: Pipeline, asked: list[Any], read: Mapping[str, list[Pixels] | str], new: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Extract those of this process's files that are new, into a shard; return {path: why it cannot be read}."""
    (name, network, _, files, _), rank = asked, distributed.rank()
    drawings = [(path, pixels) for path in new[rank] for pixels in read[path] if not isinstance(pixels, str)]
    samples = [figure_sample(path, pixels.figure) for path, pixels in drawings]
    if not samples:
        return {}
    broken: dict[str, str] = {}
    with distributed.apart():
        features = pipeline.embed_images(samples, name, broken)
    assert features is not None, "this process has the features"
    faults = {path: broken[sample.path] for (path, _), sample in zip(drawings, samples) if sample.path in broken}
    whole = [path not in faults for path, _ in drawings]  # a file whose figures can be read
    write_shard(Path(files[rank]), network, list(compress(drawings, whole)), features[whole])
    return faults


def _of_shard(shard: Shard) -> dict[str, list[Drawing]]:
    """Return {path: its drawings} of a shard."""
    found: dict[str, list[Drawing]] = {}
    for row, (path, size, changed, digest, figure) in enumerate(shard.files):
        found.setdefault(path, []).append(Drawing(path, Facts(""), size, changed, digest, shard, row, figure))
    return found


def _shared(value: list[Any]) -> list[Any]:
    """Return the list of the first process, in every process."""
    shared = distributed.collect(value, everywhere=True)
    assert shared, "everywhere"
    return shared[0]


def _named(
    of_file: Sequence[Drawing], wanted: Wanted, table: Metadata | None, earlier: Facts | None = None
) -> list[Drawing]:
    """Return drawings with what a table has of their file, else with what was known earlier, else with its patent alone."""
    facts = (table.facts(wanted) if table else None) or earlier or Facts(wanted.patent)
    return [drawing._replace(facts=facts) for drawing in of_file]


def _write(
    folder: str,
    index: Index | None,
    before: Mapping[str, list[Drawing]],
    drawings: Mapping[str, list[Drawing]],
    skipped: dict[str, str],
    network: dict,
    sources: Sequence[str],
    settings: dict[str, Any],
) -> None:
    """Write a generation, unless it would be as the current one, report it, and remove the shards."""
    same = index and drawings == before and skipped == index.skipped()
    if index and same and index.manifest["sources"] == list(sources) and _settings(index) == settings:
        manifest = index.manifest
        logger.info("nothing has changed")
    else:
        rows = list(chain.from_iterable(drawings.values()))
        manifest = write_generation(folder, rows, skipped, network, sources, **settings)
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
