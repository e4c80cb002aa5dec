"""The part of the command line that all commands share: a configuration file and KEY VALUE pairs."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from yacs.config import CfgNode

from fastpatent.config import load_config, load_config_in_use
from fastpatent.config.default_network import CONFIG, NAME
from fastpatent.downloads import OPTION, allow_downloads
from fastpatent.text import escaped

# Keys that choose what is used; without any of them and without a file it is the network in the box.
CHOOSING = {"MODEL.WEIGHTS", "MODEL.CLIP.PRETRAINED", "DESCRIPTOR.NAME", "TEST.ENSEMBLE.CONFIGS"}
logger = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """A parser whose errors show the words of the command line escaped: by a * of the shell they are names of files."""

    def error(self, message: str) -> NoReturn:
        super().error(escaped(message))


def config_parser(prog: str, description: str) -> Parser:
    """Return a parser with `--config-file F`, `--allow-downloads` and a trailing `opts` list of KEY VALUE words.

    A command adds its own options; on the command line they precede the pairs.
    """
    parser = Parser(prog=prog, description=description)
    parser.add_argument("--config-file", metavar="F", help="YAML file, or name of one of fastpatent config --list")
    add_download_option(parser)
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="settings that override the file, after all options: SOLVER.MAX_EPOCH 20 MODEL.DEVICE cpu",
    )
    return parser


def add_download_option(parser: argparse.ArgumentParser) -> None:
    """Add `--allow-downloads` to an argparse parser."""
    what = "download weights, models and tokenizers that a configuration names; without it nothing is downloaded"
    parser.add_argument(OPTION, action="store_true", help=what)


def parse_words(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Parse `WORD... [options] WORD... [KEY VALUE]...` by a `config_parser`; return (arguments, words).

    The words are names of files and folders; the pairs begin at the first word in capitals that is none.
    """
    every = sys.argv[1:] if argv is None else list(argv)
    options = next((place for place, word in enumerate(every) if word.startswith("-")), len(every))
    args = parser.parse_args(every[options:])
    words = [*every[:options], *args.opts]
    pairs = next((place for place, word in enumerate(words) if word.isupper() and not os.path.exists(word)), len(words))
    args.opts = words[pairs:]
    return args, words[:pairs]


def load_from(args: argparse.Namespace) -> CfgNode:
    """Return the frozen configuration of parsed arguments, and allow or forbid downloads; ConfigError as `load_config`."""
    allow_downloads(args.allow_downloads)
    return load_config(args.config_file, args.opts)


def load_in_use_from(args: argparse.Namespace) -> CfgNode:
    """Return the configuration of a command that uses a trained network: as `load_from`, with the weights that are meant.

    Without a file it is that of the network in the box, unless a key chooses another network or what takes its place.
    Errors as `load_config_in_use`.
    """
    allow_downloads(args.allow_downloads)
    config_file, given = args.config_file, zip(args.opts[::2], args.opts[1::2])
    if not config_file and not any(key in CHOOSING and value != NAME for key, value in given):
        config_file = CONFIG
        logger.info(f"no --config-file is given: this is the network in the box, {CONFIG}")
    return load_config_in_use(config_file, args.opts)
