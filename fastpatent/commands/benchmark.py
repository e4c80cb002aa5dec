"""`fastpatent benchmark`: measure several systems on the same images; write tables, figures and a page of them."""

import logging
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.deeppatent_reference import is_deeppatent
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.records import Splits
from fastpatent.device import cpu_name, set_up_device, versions
from fastpatent.errors import DataError, FastPatentError, missing_extra
from fastpatent.evaluation.benchmark import Benchmark, counts_of, growth, growth_sizes, measure, read_distractors
from fastpatent.evaluation.benchmark_systems import System, read_systems
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.files import make_folder
from fastpatent.models import build_tokenizer
from fastpatent.report.benchmark.figures import write_figures
from fastpatent.report.benchmark.files import check_benchmark, write_tables
from fastpatent.report.benchmark.page import write_page
from fastpatent.report.benchmark.published import published_figures
from fastpatent.report.benchmark.tables import benchmark_table, headline

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, measure and write; return the exit status, 1 where a system failed."""
    parser = config_parser("fastpatent benchmark", "Measure the systems of BENCHMARK.SYSTEMS and BENCHMARK.LOGS.")
    argv = sys.argv[2:] if argv is None else argv
    cfg = load_from(parser.parse_args(argv))
    systems = read_systems(cfg)
    log.start(cfg.OUTPUT_DIR)
    device = set_up_device(cfg)
    texts = any(map(_has_texts, systems))
    test_sets = load_test_sets(cfg, texts)
    for splits in test_sets:
        if not splits.query or splits.query[0].identity is None:
            raise DataError(f"DATASETS.TESTS: {splits.name} has no labelled query, nothing can be measured on it")
        check_benchmark(make_folder(Path(cfg.OUTPUT_DIR) / splits.name))
    logger.info(f"{len(systems)} systems, device {device.device} ({device.reason})")
    made = _made(cfg, device.device, argv)
    benchmarks = [Benchmark(s.name, counts_of(s), [], _published(s), [], made, warnings=[*s.warnings]) for s in test_sets]
    best, failed = _measure_all(cfg, systems, test_sets, benchmarks, device.device)
    written: list[Path] = []
    for benchmark, pictured in zip(benchmarks, best):
        folder = Path(cfg.OUTPUT_DIR) / benchmark.dataset
        logger.info(f"{benchmark.dataset}: {headline(benchmark)}")
        logger.info(benchmark_table(benchmark))
        pictures = write_figures(benchmark, pictured, folder, cfg.SEED)
        written += [write_page(benchmark, pictures, folder), *write_tables(benchmark, folder)]
    logger.info("written: " + ", ".join(map(str, written)))
    return int(failed)


def _has_texts(system: System) -> bool:
    """Return whether a system embeds texts; one whose tokenizer cannot be made is named when it is measured."""
    try:
        return build_tokenizer(system.cfg) is not None
    except FastPatentError:
        return False


def _made(cfg: CfgNode, device: torch.device, argv: Sequence[str]) -> dict[str, str | int]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    return {
        "date": date.today().isoformat(),
        "command": shlex.join(["fastpatent", "benchmark", *argv]),
        "machine": cpu_name(),
        "device": f"{device}, {name}",
        "versions": versions(),
        "seed": cfg.SEED,
        "resamples": cfg.BENCHMARK.RESAMPLES,
    }


def _published(splits: Splits) -> list[tuple[str, str, dict[str, float]]]:
    return published_figures(splits.stage) if is_deeppatent(splits) else []


def _measure_all(
    cfg: CfgNode,
    systems: Sequence[System],
    test_sets: Sequence[Splits],
    benchmarks: Sequence[Benchmark],
    device: torch.device,
) -> tuple[list[Evaluation], bool]:
    """Fill the benchmarks, system by system; return (the Evaluation of highest mAP of each test set, whether one failed)."""
    distractors = read_distractors(cfg, test_sets[0]) if cfg.BENCHMARK.DISTRACTORS else None
    if distractors:
        benchmarks[0].sizes[:] = growth_sizes(len(test_sets[0].gallery), len(distractors.gallery))
    best: list[Evaluation | None] = [None] * len(test_sets)
    failed = False
    for number, system in enumerate(systems, 1):
        logger.info(f"[{number}/{len(systems)}] {system.name}")
        reason = system.lacks
        if not reason:
            try:
                _measure(cfg, system, test_sets, distractors, benchmarks, best, device)
            except FastPatentError as error:
                reason, failed = str(error), True
            except Exception as error:  # a run may ask for anything, and the others are measured all the same
                missing = missing_extra(error) if isinstance(error, ModuleNotFoundError) else ""
                reason, failed = missing or f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": "), True
        if reason:
            logger.info(f"not measured: {reason}")
            for benchmark in benchmarks:
                benchmark.missing.append((system.name, reason))
    if None in best:
        raise DataError("no system could be measured; " + "; ".join(f"{n}: {why}" for n, why in benchmarks[0].missing))
    return [evaluation for evaluation in best if evaluation], failed


def _measure(
    cfg: CfgNode,
    system: System,
    test_sets: Sequence[Splits],
    distractors: Splits | None,
    benchmarks: Sequence[Benchmark],
    best: list[Evaluation | None],
    device: torch.device,
) -> None:
    """Measure one system on every test set, and on the first with distractors; update what is best so far."""
    pipeline = Pipeline(system.cfg, device, name=system.name)
    results = [pipeline.evaluate(splits) for splits in test_sets]
    added = pipeline.features(distractors) if distractors else []  # before all else, for a system that fails is in no table
    for place, (benchmark, found) in enumerate(zip(benchmarks, results)):
        assert found, "one process evaluates everything"
        measured = [measure(of, system.source, cfg.BENCHMARK.RESAMPLES, cfg.SEED) for of in found.evaluations]
        benchmark.results += measured
        best[place] = max(filter(None, (best[place], *found.evaluations)), key=lambda of: of.summary["mAP"])
        benchmark.texts += found.texts
        own = [(of.name, of.warnings[len(found.splits.warnings) :]) for of in found.evaluations]  # not of the data set
        benchmark.warnings += [f"{name}: {warning}" for name, warnings in own for warning in warnings]
        if place == 0:  # systems as they are come before what TEST.AQE and TEST.RERANK add
            for result, evaluation, more in zip(measured, found.evaluations, added):
                assert evaluation.features, "an evaluation of the pipeline has features"
                result.growth = growth(evaluation.features, more.gallery, found.splits, benchmark.sizes, device)
