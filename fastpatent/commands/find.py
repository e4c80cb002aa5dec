"""`fastpatent find`: the designs of a folder nearest to some drawings, or the images of a test set nearest to a text."""

import importlib
from collections.abc import Sequence

from fastpatent.commands.options import config_parser, load_in_use_from, parse_words
from fastpatent.errors import ConfigError

USAGE = """fastpatent find DRAWING... --in FOLDER [options] [KEY VALUE]...
       fastpatent find FOLDER_OF_QUERIES --in FOLDER [options] [KEY VALUE]...
       fastpatent find --config-file F [--text T] [--image FILE] [options] [KEY VALUE]..."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, search and show; return the exit status."""
    parser = config_parser(
        "fastpatent find",
        "Search a folder for the designs that are nearest to a drawing; several drawings are views of one design. Without "
        "--in: the images of DATASETS.TESTS nearest to a text or an image.",
    )
    parser.usage = USAGE
    parser.add_argument("--in", dest="folder", metavar="FOLDER", help="search all drawings below this folder")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="with --in: how many designs to show (default 20)")
    parser.add_argument("--csv", metavar="F.csv", help="with --in: the answers as CSV, a new file")
    parser.add_argument("--json", metavar="F.json", help="with --in: the answers as JSON, a new file")
    parser.add_argument("--page", metavar="F.html", help="with --in: page with all views, a new file (default found.html)")
    parser.add_argument("--cache", metavar="DIR", help="with --in: where features are cached (default ~/.cache/fastpatent)")
    parser.add_argument("--text", default="", help="the query in words; for networks with a text tower")
    parser.add_argument("--image", default="", metavar="FILE", help="the query as an image")
    parser.add_argument("--weight", type=float, default=0.5, help="share of the text where both are given (default 0.5)")
    parser.add_argument(
        "--output", metavar="F.png", help="without --in: picture of the result (default OUTPUT_DIR/found.png)"
    )
    args, drawings = parse_words(parser, argv)
    args.drawings = [*drawings, *filter(None, [args.image])]
    if not args.folder and drawings:
        raise ConfigError(f"{drawings[0]}: say where to search for it, by --in FOLDER; settings are KEY VALUE pairs")
    if not args.drawings and not args.text:
        what = (
            "the drawings to search with: fastpatent find DRAWING... --in FOLDER"
            if args.folder
            else "--text, --image, or both"
        )
        raise ConfigError(f"give {what}")
    if not 0 <= args.weight <= 1:
        raise ConfigError(f"--weight: {args.weight} is not between 0 and 1")
    if args.top < 1:
        raise ConfigError(f"--top: {args.top} is below 1")
    # a search whose features are cached needs no network: the modules of the other take two seconds
    job = importlib.import_module(f"fastpatent.commands.{'find_designs' if args.folder else 'find_images'}")
    return job.find(args, load_in_use_from(args))
