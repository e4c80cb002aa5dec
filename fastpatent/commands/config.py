"""`fastpatent config`: print the merged configuration, what keys mean, or which configurations there are."""

from collections.abc import Sequence

from tabulate import tabulate

from fastpatent.commands.options import config_parser, load_from
from fastpatent.config.by_name import first_comment, names
from fastpatent.config.document import document
from fastpatent.config.report import describe, differences_table, explain


def main(argv: Sequence[str] | None = None) -> int:
    """Print the configuration as YAML, then the differences as YAML comments, so that the output is itself a file to load.

    Args:
        argv: list of words after the command's name; None for those of the process.

    Returns:
        0. ConfigError for everything wrong in the files and on the command line.
    """
    parser = config_parser("fastpatent config", "Print the merged configuration and what differs from the defaults.")
    parser.add_argument(
        "--explain", metavar="KEY", help="print the default and the meaning of a key, or of a section's keys"
    )
    parser.add_argument("--table", action="store_true", help="print every key as Markdown: docs/configuration.md")
    parser.add_argument("--list", action="store_true", help="print the configurations that --config-file finds by name")
    args = parser.parse_args(argv)
    if args.list:
        print(tabulate([(name, first_comment(name)) for name in names()], tablefmt="plain"))
        return 0
    if args.explain or args.table:
        print(explain(args.explain) if args.explain else document().rstrip("\n"))
        return 0
    cfg = load_from(args)
    print(describe(cfg).yaml)
    for line in differences_table(cfg).splitlines():
        print(f"# {line}".rstrip())
    return 0
