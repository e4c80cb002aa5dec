"""`fastpatent benchmark`: measure several systems on the same drawings; write tables, figures and a page of them."""

import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets
from fastpatent.commands.systems import describe_sets, evaluate_systems, extractor, metric_of
from fastpatent.commands.texts import measure_texts
from fastpatent.data.published import is_deeppatent
from fastpatent.engine.device import choose_device
from fastpatent.engine.log import RunLog
from fastpatent.errors import DataError, FastPatentError
from fastpatent.evaluation.benchmark import Benchmark, counts_of, growth, growth_sizes, measure, read_distractors
from fastpatent.evaluation.ensemble import read_members, with_ensemble
from fastpatent.evaluation.systems import read_systems
from fastpatent.report.benchmark.figures import write_figures
from fastpatent.report.benchmark.files import write_tables
from fastpatent.report.benchmark.page import write_page
from fastpatent.report.benchmark.published import published_figures
from fastpatent.report.benchmark.tables import benchmark_table, headline
from fastpatent.report.environment import processor, versions


class Best(NamedTuple):
    """What is pictured: the evaluation and the features of the system with the highest mAP."""

    evaluation: Any
    features: np.ndarray


def main(argv=None):
    """Parse the command line, measure and write; return the exit status, 1 where a system failed."""
    parser = config_parser("fastpatent benchmark", "Measure the systems of BENCHMARK.SYSTEMS and BENCHMARK.LOGS.")
    argv = sys.argv[2:] if argv is None else argv
    cfg = load_from(parser.parse_args(argv))
    systems = read_systems(cfg)
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE)
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    test_sets = load_test_sets(cfg, log)
    for splits in test_sets:
        if splits.query[0].identity is None:
            raise DataError(f"DATASETS.TESTS: {splits.name} has no labels, nothing can be measured on it")
    log.say(f"{len(systems)} systems, device {device.device} ({device.reason})")
    made = _made(cfg, device.device, argv)
    benchmarks = [Benchmark(s.name, counts_of(s), [], _published(s), [], made) for s in test_sets]
    best, failed = _measure_all(cfg, systems, test_sets, benchmarks, device.device, log)
    written = []
    for benchmark, pictured in zip(benchmarks, best):
        folder = Path(cfg.OUTPUT_DIR) / benchmark.dataset
        folder.mkdir(parents=True, exist_ok=True)
        log.say(f"{benchmark.dataset}: {headline(benchmark)}", benchmark_table(benchmark))
        pictures = write_figures(benchmark, pictured.evaluation, pictured.features, folder, cfg.SEED, log.say)
        written += [write_page(benchmark, pictures, folder), *write_tables(benchmark, folder)]
    log.say("written: " + ", ".join(map(str, written)))
    return int(failed)


def _made(cfg, device, argv):
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no card"
    return {
        "date": date.today().isoformat(),
        "command": shlex.join(["fastpatent", "benchmark", *argv]),
        "machine": processor(),
        "device": f"{device}, {name}",
        "versions": versions(),
        "seed": cfg.SEED,
        "resamples": cfg.BENCHMARK.RESAMPLES,
    }


def _published(splits):
    return published_figures(splits.stage) if is_deeppatent(splits) else []


def _measure_all(cfg, systems, test_sets, benchmarks, device, log):
    """Fill the benchmarks, system by system; return ([Best of each test set], whether a system failed)."""
    distractors = [read_distractors(cfg, test_sets[0])] if cfg.BENCHMARK.DISTRACTORS else []
    for extra in distractors:
        benchmarks[0].sizes[:] = growth_sizes(len(test_sets[0].gallery), len(extra.gallery))
    best, failed = [None] * len(test_sets), []
    for number, system in enumerate(systems, 1):
        log.say(f"[{number}/{len(systems)}] {system.name}")
        reason = system.lacks
        if not reason:
            try:
                _measure(cfg, system, test_sets, distractors, benchmarks, best, device, log)
            except FastPatentError as error:
                reason = str(error)
                failed.append(system.name)
        if reason:
            log.say(f"not measured: {reason}")
            for benchmark in benchmarks:
                benchmark.missing.append((system.name, reason))
    if None in best:
        raise DataError("no system could be measured; " + "; ".join(f"{n}: {why}" for n, why in benchmarks[0].missing))
    return best, bool(failed)


def _measure(cfg, system, test_sets, distractors, benchmarks, best, device, log):
    """Measure one system on every test set, and on the first with distractors; keep what is best so far."""
    members = read_members(system.cfg)
    if len(members) == 1:
        members = [members[0]._replace(name=system.name)]
    sets = [*test_sets, *distractors]
    extracts = [extractor(member.cfg, device, log) for member in members]
    described = [describe_sets(member, sets, device, log, extract) for member, extract in zip(members, extracts)]
    first = len(benchmarks[0].results)
    for place, (splits, benchmark) in enumerate(zip(test_sets, benchmarks)):
        rows = evaluate_systems(system.cfg, members, [of_member[place] for of_member in described], splits, device)
        for name, features, evaluation in rows:
            result = measure(name, system.source, features.shape[1], evaluation, cfg.BENCHMARK.RESAMPLES, cfg.SEED)
            benchmark.results.append(result)
            if best[place] is None or evaluation.summary["mAP"] > best[place].evaluation.summary["mAP"]:
                best[place] = Best(evaluation, features)
        if len(members) == 1 and members[0].cfg.MODEL.META_ARCHITECTURE == "PatentCLIP":
            found = measure_texts(cfg, splits, described[0][place][0][1], extracts[0], device)
            benchmark.texts += [(system.name, found)] if found else []
    if distractors:
        bare, grown = (with_ensemble(members, [of_member[place] for of_member in described]) for place in (0, -1))
        results = benchmarks[0].results[
            first:
        ]  # the rows of what is ranked as it is come before those of TEST.AQE and so on
        for result, (_, features), (_, added) in zip(results, bare, grown):
            result.growth = growth(features, added, test_sets[0], benchmarks[0].sizes, metric_of(system.cfg), device)
