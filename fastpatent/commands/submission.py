"""`fastpatent submission check`: what is wrong with result.npy or result.zip, and how far another one agrees with it."""

import logging
from collections.abc import Sequence

from fastpatent import log
from fastpatent.commands.options import Parser
from fastpatent.evaluation.submission import COLUMNS
from fastpatent.evaluation.submission_check import agreement, count_lines, read_submission

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Report every fault of a submission; return 1 where there is one."""
    parser = Parser(
        prog="fastpatent submission",
        description="Look for what the challenge would refuse: shape, type, range, repeats, number of rows. Rows are "
        "counted from 0, as the lines of the lists are.",
    )
    parser.add_argument("action", choices=("check",))
    parser.add_argument("file", metavar="FILE", help="result.npy or result.zip")
    parser.add_argument("--queries", metavar="L", help="list of the queries: one row each")
    parser.add_argument("--database", metavar="L", help="list of the database, whose lines the values are")
    parser.add_argument("--against", metavar="FILE", help="another submission: overlap and rank correlation with it")
    args = parser.parse_args(argv)
    log.start()
    lists = [count_lines(path) if path else None for path in (args.queries, args.database)]
    files = [file for file in (args.file, args.against) if file]
    found = [read_submission(file, *lists) for file in files]
    for file, submission in zip(files, found):
        for fault in submission.faults:
            logger.error(f"{file}: {fault}")
    rankings = [submission.ranking for submission in found if submission.ranking is not None]
    if any(submission.faults for submission in found):
        return 1
    needs = ("without --queries their number", "without --database the largest value")
    unknown = "".join(f"; {what} is not checked" for what, lines in zip(needs, lists) if lines is None)
    logger.info(f"{args.file}: ok, {len(rankings[0]):,} rows of {COLUMNS} different lines{unknown}")
    if not args.against:
        return 0
    if len(rankings[0]) != len(rankings[1]):
        logger.error(f"{args.against}: {len(rankings[1]):,} rows, which are of other queries")
        return 1
    overlap, tau, compared = agreement(*rankings)
    logger.info(
        f"{args.against}: overlap@{COLUMNS} {overlap:.4f}; Kendall's tau of the answers in both {tau:.4f}, mean over the "
        f"{compared:,} queries that have two such answers"
    )
    return 0
