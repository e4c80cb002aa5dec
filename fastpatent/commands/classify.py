"""`fastpatent classify`: tell the classes of drawings, zero-shot by their names and by classifiers on frozen features."""

import numpy as np

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets
from fastpatent.commands.systems import extractor, kept_features
from fastpatent.commands.texts import embed_once
from fastpatent.data.samples import Splits
from fastpatent.data.sets import load_test_set, load_training_set
from fastpatent.engine.device import choose_device
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.evaluation.classification import Labelled
from fastpatent.evaluation.classifiers import CLASSIFIERS, compare_classifiers, side_by_side
from fastpatent.evaluation.design_classes import class_title
from fastpatent.evaluation.probe import linear_probe
from fastpatent.evaluation.zero_shot import class_features, classify, prompts
from fastpatent.report.classification import class_table, classification_table

TEXTS = ("title", "caption")  # of those that a data set has, beside the drawing, as the IMPACT paper joins them


def main(argv=None):
    """Parse the command line, classify and show; return the exit status."""
    parser = config_parser(
        "fastpatent classify", "Classify the drawings of DATASETS.TESTS, trained on those of DATASETS.NAMES."
    )
    cfg = load_from(parser.parse_args(argv))
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE).device
    extract = extractor(cfg, device, log)
    reads_texts = not cfg.DESCRIPTOR.NAME and hasattr(extract.network, "embed_text")
    trained = Splits(f"{'-'.join(cfg.DATASETS.NAMES)}-training", [], [], load_training_set(cfg))
    sides = [_Side(cfg, splits, device, extract, log) for splits in (trained, load_test_sets(cfg, log)[0])]
    train, test = (side.labelled(side.features) for side in sides)
    options = {"resamples": cfg.BENCHMARK.RESAMPLES, "seed": cfg.SEED}
    rows = [("linear probe on drawings", linear_probe(train, test, **options, device=device))]
    if reads_texts:
        names = sorted({*train.labels, *test.labels})
        nearest = class_features(extract.texts(prompts([class_title(name) for name in names]), "the classes"))
        rows.insert(0, ("zero-shot, by the names of the classes", classify(test, nearest, names, **options, device=device)))
        train, test = (side.labelled(rows) for side, rows in zip(sides, _joined(cfg, sides, extract, log)))
    with ProgressLine("classifiers", len(CLASSIFIERS), log) as line:
        found = compare_classifiers(train, test, **options, on_done=line.update)
    what = "drawings and texts" if reads_texts else "drawings"
    rows += [(f"{name} on {what}", result) for name, result in found.items()]
    log.say(classification_table(rows))
    best, result = max(rows, key=lambda row: row[1].accuracy.mean)
    log.say(f"classes by the {best}:", class_table(result))
    return 0


class _Side:
    """The drawings of a data set that have a class, and their features, float32 [drawings, dim]."""

    def __init__(self, cfg, splits, device, extract, log):
        drawings = [*splits.query, *splits.gallery]
        rows = [row for row, sample in enumerate(drawings) if sample.category]
        if len(rows) < len(drawings):
            log.say(f"{splits.name}: {len(drawings) - len(rows)} of {len(drawings)} drawings have no class and are left out")
        self.name = splits.name
        self.drawings = [drawings[row] for row in rows]
        self.features = kept_features(cfg, splits, device, extract, log)[rows]

    def labelled(self, features):
        """Return these drawings with some features as Labelled."""
        return Labelled(features, [s.category for s in self.drawings], [s.identity for s in self.drawings])


def _joined(cfg, sides, extract, log):
    """Return the features of drawings with those of titles and captions, as far as the data sets tell these apart.

    Returns:
        for each `_Side` float32 [drawings, dim]; zeros stand where a drawing has no such text, which is said.
    """
    told = {kind: _texts(cfg, kind) for kind in TEXTS}
    if told["title"] == told["caption"]:
        del told["caption"]
    joined = []
    for side in sides:
        parts = {"drawing": (range(len(side.drawings)), side.features)}
        for kind, by_path in told.items():
            rows = [row for row, sample in enumerate(side.drawings) if by_path.get(sample.path)]
            texts = [by_path[side.drawings[row].path] for row in rows]
            found = embed_once(extract, texts, f"{kind}s of {side.name}") if rows else np.zeros((0, side.features.shape[1]))
            parts[kind] = rows, found
        features, without = side_by_side(len(side.drawings), parts)
        log.say(*(f"{side.name}: {count} drawings have no {kind}" for kind, count in without.items() if count))
        joined.append(features)
    return joined


def _texts(cfg, kind):
    """Return {path: text of one kind} of the training drawings and the first test set."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATASETS.CAPTIONS.TEXT = kind
    test = load_test_set(cfg, cfg.DATASETS.TESTS[0])
    return {sample.path: sample.caption for sample in (*load_training_set(cfg), *test.query, *test.gallery)}
