"""`fastpatent data pack`: decode every image of a configuration once, for all later runs."""

import logging
from collections.abc import Sequence

from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.confinement import confined_to, refuse_outside
from fastpatent.data.image_source import build_decode
from fastpatent.data.load_datasets import build_splits, report_skipped
from fastpatent.data.pack.place import pack_folder, pack_size, why_not_packed
from fastpatent.data.pack.shard import PackSize
from fastpatent.data.pack.write import PackReport, write_pack
from fastpatent.data.records import PARTS
from fastpatent.data.workers import worker_count
from fastpatent.errors import ConfigError, DataError
from fastpatent.progress import counted

logger = logging.getLogger(__name__)


def pack(argv: Sequence[str]) -> int:
    """Make, complete, verify and repair the packs that a configuration uses; return 1 where an image is unreadable."""
    parser = config_parser("fastpatent data pack", "Decode and resize every image once; verify and repair a pack.")
    what = "packs that can be read without the image files, and with another version of Pillow; a pack stays so"
    parser.add_argument("--portable", action="store_true", help=what)
    args = parser.parse_args(argv)
    cfg = load_from(args)
    log.start()
    unpackable = why_not_packed(cfg)
    if unpackable:
        logger.info(f"nothing to pack: {unpackable}; images are decoded each time")
        return 0
    unreadable = 0
    for folder, (key, paths) in _wanted(cfg).items():
        report = _pack_one(cfg, folder, key, paths, args.portable)
        _report(report, folder, pack_size(cfg, key), cfg.DATASETS.ROOT)
        unreadable += len(report.unreadable)
    return int(unreadable > 0)


def used_parts(cfg: CfgNode) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return {key of the size in INPUT: {data set: the parts of it that are used at this size}}."""
    return {
        "SIZE_TRAIN": {name: PARTS if cfg.DATASETS.COMBINEALL else ("train",) for name in cfg.DATASETS.NAMES},
        "SIZE_TEST": {name: ("query", "gallery") for name in cfg.DATASETS.TESTS},
    }


def _wanted(cfg: CfgNode) -> dict[str, tuple[str, set[str]]]:
    """Return {folder of a pack: (key of its size in INPUT, set of paths)}."""
    if not cfg.DATASETS.PACKS:
        raise ConfigError("DATASETS.PACKS is empty: write the folder that packs go to, inside DATASETS.ROOT or absolute")
    wanted: dict[str, tuple[str, set[str]]] = {}
    for key, sets in used_parts(cfg).items():
        folder = pack_folder(cfg, pack_size(cfg, key))
        assert folder, "DATASETS.PACKS names one"
        _, paths = wanted.setdefault(folder, (key, set()))
        for name, parts in sets.items():
            splits = build_splits(cfg, name, parts, verify=False)
            refuse_outside(splits.skipped, name)
            paths.update(sample.path for part in parts for sample in getattr(splits, part))
    wanted = {folder: (key, paths) for folder, (key, paths) in wanted.items() if paths}
    if not wanted:
        raise DataError(f"DATASETS.NAMES and DATASETS.TESTS name no image below {cfg.DATASETS.ROOT}")
    return wanted


def _pack_one(cfg: CfgNode, folder: str, key: str, paths: set[str], portable: bool) -> PackReport:
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    logger.info(f"{folder}: {len(paths)} images, {workers} process(es)")
    decode = build_decode(cfg, key)
    size, within = pack_size(cfg, key), confined_to(cfg)
    return write_pack(folder, size, cfg.DATASETS.ROOT, paths, decode, workers, counted, within=within, portable=portable)


def _report(report: PackReport, folder: str, size: PackSize, root: str) -> None:
    """Report what was done to one pack, and what failed."""
    for sentence in report.replaced:
        logger.info(f"removed: {sentence}")
    report_skipped({"unreadable drawing": report.unreadable}, root)
    done = f"{report.kept} kept, {report.repaired} repaired, {report.added} added"
    if report.unreadable:
        done += f", {len(report.unreadable)} unreadable"
    elif not report.repaired and not report.added:
        done = "every one verified, nothing to do"
    if report.alone:
        done += f"; {report.alone} have no file here to compare with"
    logger.info(f"{folder}: {report.drawings} images, {report.drawings * size.bytes / 1e9:.2f} GB: {done}")
