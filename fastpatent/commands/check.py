"""`fastpatent data check`: what is wrong with the images that a configuration trains and tests on."""

import logging
from collections.abc import Sequence

import torch
from rich.table import Table
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.pack import used_parts
from fastpatent.data.check import Finding, Report, check_dataset
from fastpatent.data.deeppatent_reference import published_differences
from fastpatent.data.load_datasets import load_test_sets, read_set, report_skipped
from fastpatent.data.loader import build_train_loader
from fastpatent.data.records import PARTS, Splits
from fastpatent.data.workers import worker_count
from fastpatent.engine.trainer import batch_parts
from fastpatent.errors import FastPatentError
from fastpatent.models import build_tokenizer
from fastpatent.progress import ProgressLine

logger = logging.getLogger(__name__)


def check(argv: Sequence[str]) -> int:
    """Read every image that a configuration trains or tests on and print what is wrong as a table."""
    parser = config_parser("fastpatent data check", "Look for images that would break or distort a run.")
    cfg = load_from(parser.parse_args(argv))
    log.start()
    sets = used_sets(cfg)
    for splits, used in sets:
        for line in (_sizes(splits, used), *_compared(splits)):
            logger.info(line)
    count = len({sample.path for splits, used in sets for part in used for sample in getattr(splits, part)})
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    with ProgressLine("reading", count) as line:
        limits = cfg.DATALOADER.MAX_BROKEN, cfg.INPUT.MAX_PIXELS
        report = check_dataset(sets, workers, lambda done, _: line.update(done), *limits)
    report.findings += _findings_of_train(cfg)
    logger.info(findings_table(report))
    report_skipped({finding.name: finding.cases for finding in report.findings}, cfg.DATASETS.ROOT)
    logger.info("something here would break a run" if report.breaks else "nothing here would break a run")
    return int(report.breaks)


def _findings_of_train(cfg: CfgNode) -> list[Finding]:
    """Return what `fastpatent train` would refuse and warn of at its start, with this configuration."""
    refused, doubts = [], []
    try:
        tokenize = build_tokenizer(cfg)
        loader = build_train_loader(cfg, torch.device("cpu"), tokenize=tokenize)
        if loader.batch_size == batch_parts(cfg, loader):
            refused.append("SOLVER.IMS_PER_BATCH: one image a part of the batch, and batch norms need two")
        test_sets = load_test_sets(cfg, texts=tokenize is not None, skipped={}, required=False)
        doubts = [f"{splits.name}: {warning}" for splits in test_sets for warning in splits.warnings]
    except FastPatentError as error:
        refused.append(str(error))
    return [Finding("refused by train", True, refused), Finding("test set whose figures say little", False, doubts)]


def used_sets(cfg: CfgNode) -> list[tuple[Splits, list[str]]]:
    """Return [(Splits, parts in use)], each data set once, in the configuration's order; images need not be there."""
    used: dict[str, set[str]] = {}
    for parts_by_name in used_parts(cfg).values():
        for name, parts in parts_by_name.items():
            used.setdefault(name, set()).update(parts)
    sets = []
    for name, parts in used.items():
        parts = [part for part in PARTS if part in parts]
        sets.append((read_set(cfg, name, parts, verify=False), parts))
    return sets


def findings_table(report: Report) -> Table:
    """Return a `Report` as a rich Table: what was looked for, how often it was found, and whether a run would break."""
    table = Table(title_justify="left", show_edge=False)
    table.add_column("looked for")
    table.add_column("found", justify="right")
    table.add_column("")
    for finding in report.findings:
        verdict = ("breaks a run" if finding.breaks else "warning") if finding.cases else "ok"
        table.add_row(finding.name, str(len(finding.cases)), verdict)
    return table


def _sizes(splits: Splits, used: Sequence[str]) -> str:
    sizes = []
    for part in used:
        samples = getattr(splits, part)
        identities = {sample.identity for sample in samples} - {None}
        sizes.append(f"{part} {len(samples)} images" + (f" of {len(identities)} identities" if identities else ""))
    return f"{splits.name}: {', '.join(sizes)}"


def _compared(splits: Splits) -> list[str]:
    """Return how lists of DeepPatent's own images differ from what is published of them; nothing for other lists."""
    differences = published_differences(splits)
    if differences is None:
        return []
    return [f"{splits.name}: not as published: {sentence}" for sentence in differences] or [f"{splits.name}: as published"]
