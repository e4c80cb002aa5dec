"""`fastpatent find`: the drawings of a test set that are nearest to a text, a drawing, or both together."""

import textwrap
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets
from fastpatent.commands.systems import extractor, kept_features, metric_of
from fastpatent.data.samples import Sample, Splits, names_below
from fastpatent.engine.device import choose_device
from fastpatent.engine.log import RunLog
from fastpatent.errors import ConfigError
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.picture import write_png
from fastpatent.retrieval.ranking import rank

SHOWN = 10
SHORT = 60  # letters of a text in the table


def main(argv=None):
    """Parse the command line, rank and show; return the exit status."""
    parser = config_parser("fastpatent find", "Find the drawings of DATASETS.TESTS that are nearest to a text or a drawing.")
    parser.add_argument("--text", default="", help="what is looked for, in words; for networks with a text tower")
    parser.add_argument("--image", default="", metavar="FILE", help="a drawing of what is looked for")
    parser.add_argument("--weight", type=float, default=0.5, help="share of the text where both are given (default 0.5)")
    parser.add_argument("--output", metavar="F.png", help="where the picture goes (default found.png in OUTPUT_DIR)")
    args = parser.parse_args(argv)
    if not args.text and not args.image:
        raise ConfigError("give --text, --image, or both")
    if not 0 <= args.weight <= 1:
        raise ConfigError(f"--weight: {args.weight} is not between 0 and 1")
    cfg = load_from(args)
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE).device
    extract = extractor(cfg, device, log)
    asked = Sample(args.image, None, caption=args.text)
    query = _query(cfg, extract, asked, args.weight)
    splits = load_test_sets(cfg, log)[0]
    features = kept_features(cfg, splits, device, extract, log)
    every = Splits(splits.name, [], [asked], [*splits.query, *splits.gallery])
    found = rank(query, features, SHOWN, metric=metric_of(cfg), device=device)
    log.say(_table(found, every.gallery, cfg.DATASETS.ROOT))
    output = Path(args.output or Path(cfg.OUTPUT_DIR) / "found.png")
    write_png(output, gallery_picture(Evaluation("", every, found.indices, None), [0], SHOWN))
    log.say(f"written: {output}")
    return 0


def _query(cfg, extract, asked, weight):
    """Return the feature of a query, float32 [1, dim]."""
    sides = []
    if asked.path:
        sides.append(extract([asked], asked.path))
    if asked.caption and cfg.DESCRIPTOR.NAME:
        raise ConfigError(f"DESCRIPTOR.NAME: {cfg.DESCRIPTOR.NAME} reads no text; --text needs a PatentCLIP")
    if asked.caption:
        sides.append(extract.texts([asked.caption], "the query"))
    return sides[0] if len(sides) == 1 else combine(*sides, weight)


def _table(found, drawings, root):
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, justify in (("", "right"), ("closeness", "right"), ("drawing", "left"), ("its text", "left")):
        table.add_column(name, justify=justify)
    samples = [drawings[row] for row in found.indices[0]]
    for place, (score, name, sample) in enumerate(zip(found.scores[0], names_below(root, samples), samples), 1):
        table.add_row(str(place), f"{score:.3f}", name, textwrap.shorten(sample.caption or "", SHORT, placeholder="..."))
    return table
