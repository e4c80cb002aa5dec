"""`fastpatent test` and tools/test.py: rank a test set with a trained network, or with several, and write the submission."""

from pathlib import Path

import torch

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets
from fastpatent.commands.systems import describe_sets, evaluate_systems, extractor
from fastpatent.commands.texts import measure_texts
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.engine.device import choose_device
from fastpatent.engine.log import RunLog
from fastpatent.evaluation.ensemble import Member, read_members
from fastpatent.evaluation.submission import COLUMNS, write_submission
from fastpatent.report.gallery import write_gallery
from fastpatent.report.tables import metrics_table
from fastpatent.report.text_image import text_image_table


def main(argv=None):
    """Parse the command line, rank and write; return the exit status."""
    parser = config_parser("fastpatent test", "Rank every test set of a configuration with a trained network.")
    parser.add_argument("--eval-only", action="store_true", help="accepted for habit: this command never trains")
    parser.add_argument(
        "--compare", default="", metavar="NAME,NAME", help=f"also measure descriptors: {', '.join(DESCRIPTORS.names())}"
    )
    args = parser.parse_args(argv)
    cfg = load_from(args)
    compared = [_descriptor_member(cfg, name) for name in filter(None, args.compare.split(","))]
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE)
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    members = read_members(cfg)
    test_sets = load_test_sets(cfg, log)
    precisions = ", ".join(dict.fromkeys(member.cfg.TEST.PRECISION for member in members if not member.cfg.DESCRIPTOR.NAME))
    if precisions:
        log.say(f"device {device.device} ({device.reason}), precision {precisions}")
    extracts = [extractor(member.cfg, device.device, log) for member in members]
    described = [describe_sets(member, test_sets, device.device, log, extract) for member, extract in zip(members, extracts)]
    classics = [describe_sets(member, test_sets, device.device, log) for member in compared]

    rows, written = [], []
    for number, splits in enumerate(test_sets):
        found = evaluate_systems(cfg, members, [sets[number] for sets in described], splits, device.device)
        *_, (_, _, evaluation) = found
        for member, sets in zip(compared, classics):
            found += evaluate_systems(member.cfg, [member], [sets[number]], splits, device.device)
        rows += [(name, measured) for name, _, measured in found]
        if number == 0:
            written += _submit(evaluation, log)
        written += write_gallery(evaluation, Path(cfg.OUTPUT_DIR) / f"gallery_{splits.name}")
    log.say(metrics_table(rows))
    for member, extract, sets in zip(members, extracts, described):
        if member.cfg.MODEL.META_ARCHITECTURE == "PatentCLIP":
            for splits, ((name, features), *_) in zip(test_sets, sets):
                found = measure_texts(cfg, splits, features, extract, device.device)
                if found:
                    log.say(f"{splits.name}: drawings and their texts", text_image_table([(name, found)]))
    log.say("written: " + ", ".join(map(str, written)))
    return 0


def _descriptor_member(cfg, name):
    """Return the Member of a descriptor that is measured beside the network, on the same data and in the same OUTPUT_DIR."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DESCRIPTOR.NAME, cfg.OUTPUT_DIR, cfg.MODEL.WEIGHTS = name, str(Path(cfg.OUTPUT_DIR) / name), ""
    cfg.TEST.AQE.ENABLED = cfg.TEST.RERANK.ENABLED = cfg.TEST.WHITENING.ENABLED = False
    cfg.freeze()
    return Member(f"{name} + {DESCRIPTORS.get(name).metric}", cfg, 1.0)


def _submit(evaluation, log):
    """Write the submission of the first test set; a database too small for one is said, not fatal."""
    if evaluation.ranking.shape[1] < COLUMNS:
        log.say(f"no submission: it has {COLUMNS} columns, the database only {evaluation.ranking.shape[1]} drawings")
        return []
    return list(write_submission(evaluation.ranking))
