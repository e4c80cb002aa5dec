"""The part of the command line that all commands share: a configuration file and KEY VALUE pairs."""

import argparse
from typing import NoReturn

from yacs.config import CfgNode

from fastpatent.config import load_config
from fastpatent.text import escaped


class Parser(argparse.ArgumentParser):
    """A parser whose errors show the words of the command line escaped: by a * of the shell they are names of files."""

    def error(self, message: str) -> NoReturn:
        super().error(escaped(message))


def config_parser(prog: str, description: str) -> Parser:
    """Return a parser with `--config-file F` and a trailing `opts` list of KEY VALUE words.

    A command adds its own options; on the command line they precede the pairs.
    """
    parser = Parser(prog=prog, description=description)
    parser.add_argument("--config-file", metavar="F", help="YAML file; without it every key has its default")
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="settings that override the file, after all options: SOLVER.MAX_EPOCH 20 MODEL.DEVICE cpu",
    )
    return parser


def load_from(args: argparse.Namespace) -> CfgNode:
    """Return the frozen configuration of parsed arguments; ConfigError as `load_config`."""
    return load_config(args.config_file, args.opts)
