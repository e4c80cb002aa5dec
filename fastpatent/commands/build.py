"""`fastpatent data build`: a data set of design patents from the weekly archives of the patent office."""

import argparse

from rich.table import Table

from fastpatent.data.grants.build import build_dataset
from fastpatent.data.grants.skips import Reason
from fastpatent.data.workers import worker_count
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.errors import ConfigError

LIMIT = 128 * 2**20  # the largest of 50 real patents takes 2 MB


def build(argv):
    """Build a data set or add archives to it; return 1 where an archive is damaged, so that patents may be missing."""
    args = _parser().parse_args(argv)
    for name, value, least in (("--workers", args.workers, 0), ("--limit-bytes", args.limit_bytes, 1)):
        if value < least:
            raise ConfigError(f"{name}: {value} is less than {least}")
    for name, fraction in (("--test-fraction", args.test_fraction), ("--val-fraction", args.val_fraction)):
        if not 0 < fraction < 1:
            raise ConfigError(f"{name}: {fraction} is not between 0 and 1")
    log = RunLog()

    def shown(title, results, number):
        with ProgressLine(title, number, log) as line:
            for done, result in enumerate(results, 1):
                line.update(done)
                yield result

    report = build_dataset(
        args.archives,
        args.out,
        seed=args.seed,
        test_fraction=args.test_fraction,
        val_fraction=args.val_fraction,
        limit=args.limit_bytes,
        workers=worker_count(args.workers)[0],
        progress=shown,
    )
    _say(report, args.out, log)
    return int(Reason.ARCHIVE in report.counts)


def skipped_table(report):
    """Lay out what a `BuildReport` tells of things left out: a row a reason, how often, and the first case."""
    table = Table(title_justify="left", show_edge=False)
    table.add_column("left out")
    table.add_column("times", justify="right")
    table.add_column("for example", overflow="fold")
    for reason in Reason:
        if reason in report.counts:
            table.add_row(reason, f"{report.counts[reason]:,}", report.examples.get(reason, ""))
    return table


def _parser():
    parser = argparse.ArgumentParser(
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


def _say(report, out, log):
    """Print what was left out, what the data set holds, and where it is."""
    if report.counts:
        log.say(skipped_table(report))
    for archive in report.unfinished:
        log.say(f"{archive}: begun and not finished, so nothing of it is in the lists; name it again to go on")
    log.say(f"{report.patents} patents, {report.drawings} drawings of {len(report.archives)} archive(s)")
    log.say(*(f"  {name}: {count} drawings" for name, count in report.lists.items()))
    log.say(f"{out}: DATASETS.ROOT of the data sets Patent, DeepPatentTest and DeepPatentTestExtended")
