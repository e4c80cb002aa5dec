"""The part of the command line that every command shares: a configuration file and KEY VALUE pairs."""

import argparse

from fastpatent.config import load_config


def config_parser(prog, description):
    """Return an argparse parser with `--config-file F` and a trailing `opts` list of KEY VALUE words.

    A command adds options of its own to it; on the command line they stand before the pairs.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--config-file", metavar="F", help="YAML file; without it every key has its default")
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="settings that override the file, after all options: SOLVER.MAX_EPOCH 20 MODEL.DEVICE cpu",
    )
    return parser


def load_from(args):
    """Return the frozen configuration that parsed arguments ask for; ConfigError as `load_config`."""
    return load_config(args.config_file, args.opts)
