"""`fastpatent data pack`: decode every drawing of a configuration once, for all later runs."""

from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.datasets import DATASETS
from fastpatent.data.pack.write import write_pack
from fastpatent.data.samples import PARTS
from fastpatent.data.source import DecodedDrawings, pack_folder, pack_size, why_not_packed
from fastpatent.data.transforms import build_resize
from fastpatent.data.workers import worker_count
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.errors import ConfigError, DataError
from fastpatent.report.examples import example_lines


def pack(argv):
    """Make, complete, verify and repair the packs that a configuration uses; return 1 where a drawing is unreadable."""
    parser = config_parser("fastpatent data pack", "Decode and resize every drawing once; verify and repair what is packed.")
    cfg = load_from(parser.parse_args(argv))
    log = RunLog()
    unpackable = why_not_packed(cfg)
    if unpackable:
        log.say(f"nothing to pack: {unpackable}; drawings are decoded each time")
        return 0
    unreadable = 0
    for folder, (key, paths) in _wanted(cfg).items():
        report = _pack_one(cfg, folder, key, paths, log)
        _say(report, folder, pack_size(cfg, key), cfg.DATASETS.ROOT, log)
        unreadable += len(report.unreadable)
    return int(unreadable > 0)


def used_parts(cfg):
    """Return {key of the size in INPUT: {data set: the parts of it that are used at this size}}."""
    return {
        "SIZE_TRAIN": {name: PARTS if cfg.DATASETS.COMBINEALL else ("train",) for name in cfg.DATASETS.NAMES},
        "SIZE_TEST": {name: ("query", "gallery") for name in cfg.DATASETS.TESTS},
    }


def _wanted(cfg):
    """Return {folder of a pack: (key of its size in INPUT, set of paths)}."""
    if not cfg.DATASETS.PACKS:
        raise ConfigError("DATASETS.PACKS is empty: write the folder that packs go to, inside DATASETS.ROOT or absolute")
    wanted = {}
    for key, sets in used_parts(cfg).items():
        _, paths = wanted.setdefault(pack_folder(cfg, pack_size(cfg, key)), (key, set()))
        for name, parts in sets.items():
            splits = DATASETS.get(name)(cfg, parts=parts, verify=False)
            paths.update(sample.path for part in parts for sample in getattr(splits, part))
    wanted = {folder: (key, paths) for folder, (key, paths) in wanted.items() if paths}
    if not wanted:
        raise DataError(f"DATASETS.NAMES and DATASETS.TESTS name no drawing below {cfg.DATASETS.ROOT}")
    return wanted


def _pack_one(cfg, folder, key, paths, log):
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    log.say(f"{folder}: {len(paths)} drawings, {workers} process(es)")

    def shown(title, results, number):
        with ProgressLine(title, number, log) as line:
            for done, result in enumerate(results, 1):
                line.update(done)
                yield result

    decode = DecodedDrawings(build_resize(cfg, key))
    return write_pack(folder, pack_size(cfg, key), cfg.DATASETS.ROOT, paths, decode, workers, shown)


def _say(report, folder, size, root, log):
    """Print what was done to one pack, and what could not be."""
    for sentence in report.replaced:
        log.say(f"removed: {sentence}")
    log.say(*example_lines("unreadable drawing", report.unreadable, root))
    done = f"{report.kept} kept, {report.repaired} repaired, {report.added} added"
    if report.unreadable:
        done += f", {len(report.unreadable)} unreadable"
    elif not report.repaired and not report.added:
        done = "every one verified, nothing to do"
    log.say(f"{folder}: {report.drawings} drawings, {report.drawings * size.bytes / 1e9:.2f} GB: {done}")
