"""`fastpatent data build`: a data set of design patents from the weekly archives of the patent office."""

import logging
from collections.abc import Sequence

from rich.table import Table

from fastpatent import log
from fastpatent.commands.options import Parser
from fastpatent.data.workers import worker_count
from fastpatent.errors import ConfigError
from fastpatent.progress import counted
from fastpatent.uspto.build import BuildReport, build_dataset
from fastpatent.uspto.skips import Reason

LIMIT = 128 * 2**20  # the largest of 50 real patents takes 2 MB
logger = logging.getLogger(__name__)


def build(argv: Sequence[str]) -> int:
    """Build a data set or add archives to it; return 1 where an archive is damaged, so that patents may be missing."""
    args = _parser().parse_args(argv)
    if not args.out:
        raise ConfigError("--out is empty: name the folder of the data set")
    for name, value, least in (("--workers", args.workers, 0), ("--limit-bytes", args.limit_bytes, 1)):
        if value < least:
            raise ConfigError(f"{name}: {value} is less than {least}")
    for name, fraction in (("--test-fraction", args.test_fraction), ("--val-fraction", args.val_fraction)):
        if not 0 < fraction < 1:
            raise ConfigError(f"{name}: {fraction} is not between 0 and 1")
    log.start()
    report = build_dataset(
        args.archives,
        args.out,
        seed=args.seed,
        test_fraction=args.test_fraction,
        val_fraction=args.val_fraction,
        limit=args.limit_bytes,
        workers=worker_count(args.workers)[0],
        progress=counted,
    )
    _report(report, args.out)
    return int(Reason.ARCHIVE in report.counts)


def skipped_table(report: BuildReport) -> Table:
    """Return what was skipped as a table: a row a reason, how often, and the first case."""
    table = Table(title_justify="left", show_edge=False)
    table.add_column("skipped")
    table.add_column("times", justify="right")
    table.add_column("for example", overflow="fold")
    for reason in Reason:
        if reason in report.counts:
            table.add_row(reason, f"{report.counts[reason]:,}", report.examples.get(reason, ""))
    return table


def _parser() -> Parser:
    parser = Parser(
        prog="fastpatent data build",
        description="Make a data set in the layout of DeepPatent from weekly grant archives of the patent office, go on "
        "where a run was stopped, or add archives to it.",
    )
    parser.add_argument("archives", nargs="+", metavar="ARCHIVE", help="weekly archive, tar or zip, as in I20210105.tar")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the data set: DATASETS.ROOT")
    parser.add_argument("--seed", type=int, default=0, help="chooses patents and queries (default 0)")
    parser.add_argument("--test-fraction", type=float, default=0.15, help="share of the patents for the test (default 0.15)")
    parser.add_argument("--val-fraction", type=float, default=0.15, help="share of the others for validation (default 0.15)")
    parser.add_argument("--workers", type=int, default=8, help="processes, at most one a core (default 8)")
    parser.add_argument(
        "--limit-bytes",
        type=int,
        default=LIMIT,
        help=f"most bytes that one patent may have, packed and unpacked (default {LIMIT})",
    )
    return parser


def _report(report: BuildReport, out: str) -> None:
    """Report what was skipped, what the data set holds, and where it is."""
    if report.counts:
        logger.info(skipped_table(report))
    for archive in report.unfinished:
        logger.info(f"{archive}: started and not finished, so nothing of it is in the lists; name it again to continue")
    logger.info(f"{report.patents} patents, {report.drawings} drawings of {len(report.archives)} archive(s)")
    for name, count in report.lists.items():
        logger.info(f"  {name}: {count} drawings")
    logger.info(f"{out}: DATASETS.ROOT of the data sets Patent, DeepPatentTest and DeepPatentTestExtended")
