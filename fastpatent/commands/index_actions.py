"""The actions of `fastpatent index`."""

import argparse
import logging
from collections.abc import Callable, Sequence
from itertools import islice

from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.launch import add_launch_options, launch, local_rank
from fastpatent.commands.options import CHOOSING, Parser, config_parser, load_in_use_from, parse_words
from fastpatent.device import set_up_device
from fastpatent.downloads import allow_downloads
from fastpatent.errors import ConfigError
from fastpatent.search.build import add_to_index, build_index, remove_from_index, report_recall
from fastpatent.search.index import open_index
from fastpatent.search.layout import DTYPES, KINDS, read_manifest
from fastpatent.search.network import stored_config
from fastpatent.search.verify import SAMPLE, verify_index

EXAMPLES = 20  # skipped images that are shown; skipped.csv of the generation has all
KNOWN = ("title", "classes", "locarno", "date", "view")
logger = logging.getLogger(__name__)


def build(argv: Sequence[str]) -> int:
    """Do `fastpatent index build`; return the exit status."""
    parser = _network_parser("build", "FOLDER|LIST --out INDEX [options] [KEY VALUE]...", "Make an index of drawings.")
    parser.add_argument("--out", required=True, metavar="INDEX", help="folder of the index, new or of an earlier one")
    kinds = "flat is exact; hnsw and ivfpq are approximate (default flat up to a million drawings, then ivfpq)"
    parser.add_argument("--kind", choices=KINDS, default="", help=kinds)
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the vectors (default float32)")
    figures = "split sheets into their figures, without captions and upright, each a drawing (default)"
    parser.add_argument("--figures", action=argparse.BooleanOptionalAction, default=True, help=figures)
    args, words = parse_words(parser, argv)
    log.start()
    (source,) = _words(args, words, "FOLDER|LIST")
    settings = args.metadata, args.kind, args.dtype, args.figures
    launch(_here, args, build_index, load_in_use_from(args), source, args.out, *settings)
    return 0


def add(argv: Sequence[str]) -> int:
    """Do `fastpatent index add`; return the exit status."""
    parser = _network_parser("add", "INDEX FOLDER|LIST [options] [KEY VALUE]...", "Add drawings that are new or changed.")
    args, words = parse_words(parser, argv)
    log.start()
    folder, source = _words(args, words, "INDEX", "FOLDER|LIST")
    launch(_here, args, add_to_index, _config_of(folder, args), source, folder, args.metadata)
    return 0


def remove(argv: Sequence[str]) -> int:
    """Do `fastpatent index remove`; return the exit status."""
    parser = Parser(prog="fastpatent index remove", description="Remove patents and drawings from an index.")
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("names", nargs="+", metavar="PATENT|PATH")
    args = parser.parse_args(argv)
    log.start()
    remove_from_index(args.index, args.names)
    return 0


def info(argv: Sequence[str]) -> int:
    """Do `fastpatent index info`; return the exit status."""
    parser = Parser(prog="fastpatent index info", description="Describe an index.")
    parser.add_argument("index", metavar="INDEX")
    args = parser.parse_args(argv)
    log.start()
    index = open_index(args.index)
    manifest = index.manifest
    network, sizes = manifest["network"], [state["bytes"] for state in manifest["files"].values()]
    keys = ("DESCRIPTOR.NAME", "MODEL.WEIGHTS", "MODEL.CLIP.PRETRAINED", "TEST.ENSEMBLE.CONFIGS")
    weights = next(filter(None, map(network["config"].get, keys)), "")
    known = [f"{name} of {sum(map(bool, index.drawings[name].to_pylist()))}" for name in KNOWN]
    skipped = index.skipped()
    milvus = manifest["milvus"]
    where = f", in Milvus {milvus['uri']}, collection {milvus['collection']}" if milvus else ""
    for line in (
        f"{index.folder}: {len(index)} drawings of {len(index.patents)} patents, generation {index.generation}",
        f"written {manifest['written']} by fastpatent {manifest['fastpatent']}, {sum(sizes):,} bytes",
        f"vectors {manifest['dim']} x {manifest['dtype']}, kind {manifest['kind']}{where}",
        "sheets are split into their figures" if manifest["figures"] else "sheets are whole",
        f"network {weights}, digest {network['digest']}, {'reads' if network['texts'] else 'reads no'} texts",
        f"known: {', '.join(known)}",
        *(f"from {source}" for source in manifest["sources"]),
        f"{len(skipped)} images are not in the index",
        *(f"  {reason}" for reason in islice(skipped.values(), EXAMPLES)),
    ):
        logger.info(line)
    report_recall(manifest)
    return 0


def verify(argv: Sequence[str]) -> int:
    """Do `fastpatent index verify`; return the exit status, 1 where something is wrong."""
    parser = config_parser("fastpatent index verify", "Check an index; status 1 where something is wrong.")
    parser.usage = "fastpatent index verify INDEX [options] [KEY VALUE]..."
    sample = f"drawings that are extracted again (default {SAMPLE}; 0 needs no network)"
    parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N", help=sample)
    args, words = parse_words(parser, argv)
    log.start()
    (folder,) = _words(args, words, "INDEX")
    if args.sample < 0:
        raise ConfigError(f"--sample: {args.sample} is below 0")
    allow_downloads(args.allow_downloads)
    faults = verify_index(folder, args.opts, args.sample)
    for fault in faults:
        logger.error(fault)
    if not faults:
        logger.info(f"{folder}: nothing is wrong")
    return min(len(faults), 1)


def _here(job: Callable[..., None], cfg: CfgNode, *rest: str) -> None:
    """Do a job in this process, on its GPU."""
    job(cfg, set_up_device(cfg, local_rank()).device, *rest)


def _network_parser(action: str, usage: str, description: str) -> Parser:
    """Return the parser of an action that extracts."""
    parser = config_parser(f"fastpatent index {action}", description)
    parser.usage = f"fastpatent index {action} {usage}"
    what = "CSV or Parquet table of titles, classes, Locarno classes, dates and views, by path or patent"
    parser.add_argument("--metadata", default="", metavar="F", help=what)
    add_launch_options(parser)
    return parser


def _config_of(folder: str, args: argparse.Namespace) -> CfgNode:
    """Return the configuration that the command line names, else that of the index."""
    if args.config_file or CHOOSING.intersection(args.opts[::2]):
        return load_in_use_from(args)
    allow_downloads(args.allow_downloads)
    return stored_config(folder, read_manifest(folder)["network"], args.opts)


def _words(args: argparse.Namespace, words: Sequence[str], *names: str) -> Sequence[str]:
    if len(words) != len(names):
        taken = f"; there is no file {args.opts[0]}, so it is read as a key" if args.opts else ""
        raise ConfigError(f"give {' and '.join(names)}, not {len(words)} names{taken}")
    return words
