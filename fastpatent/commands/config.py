"""`fastpatent config`: print the merged configuration and what differs from the defaults."""

from fastpatent.commands.options import config_parser, load_from
from fastpatent.config.report import describe, differences_table


def main(argv=None):
    """Print the configuration as YAML, then the differences as YAML comments, so that the output is itself a file to load.

    Args:
        argv: list of words after the command's name; None for those of the process.

    Returns:
        0. ConfigError for everything wrong in the files and on the command line.
    """
    parser = config_parser("fastpatent config", "Print the merged configuration and what differs from the defaults.")
    cfg = load_from(parser.parse_args(argv))
    print(describe(cfg).yaml)
    for line in differences_table(cfg).splitlines():
        print(f"# {line}".rstrip())
    return 0
