"""`fastpatent data stats`: what the drawings of a configuration are like, as a table, histograms and a row a drawing."""

import os

from fastpatent.commands.check import used_sets
from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.statistics import ALL, grouped_samples, measure_drawings, quantities
from fastpatent.data.workers import worker_count
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.errors import DataError
from fastpatent.report.examples import example_lines
from fastpatent.report.histograms import write_histograms
from fastpatent.report.statistics import statistics_table, write_rows, write_summaries


def stats(argv):
    """Measure every drawing that a configuration trains or tests on; those that cannot be read are named and left out."""
    parser = config_parser("fastpatent data stats", "Connected components, ink, sizes and drawings a patent.")
    parser.add_argument("--output", metavar="DIR", help="where the results go; OUTPUT_DIR where not given")
    args = parser.parse_args(argv)
    cfg = load_from(args)
    groups = grouped_samples(used_sets(cfg))
    samples = list({sample.path: sample for group in groups.values() for sample in group}.values())
    folder = args.output or cfg.OUTPUT_DIR
    log = RunLog(folder)
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    with ProgressLine("measuring", len(samples), log) as line:
        measures, faults = measure_drawings([sample.path for sample in samples], workers, lambda done, _: line.update(done))
    log.say(*example_lines("unreadable drawing", faults, cfg.DATASETS.ROOT))
    if not measures:
        raise DataError(f"{cfg.DATASETS.ROOT}: no drawing of DATASETS.NAMES and DATASETS.TESTS can be read")
    values = {name: quantities(group, measures) for name, group in groups.items()}
    log.say(statistics_table(values))
    places = [os.path.join(folder, name) for name in ("statistics.csv", "statistics.png", "drawings.parquet")]
    write_summaries(values, places[0])
    write_histograms({name: group for name, group in values.items() if name != ALL}, places[1])
    write_rows(samples, measures, cfg.DATASETS.ROOT, places[2])
    log.say(f"{len(measures):,} drawings measured, {len(faults)} could not be read; written: {', '.join(places)}")
