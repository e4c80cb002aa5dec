"""`fastpatent data stats`: statistics of the images of a configuration as a table, histograms and one row per image."""

import logging
from collections.abc import Sequence

from fastpatent import log
from fastpatent.commands.check import used_sets
from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.confinement import refuse_outside
from fastpatent.data.load_datasets import report_skipped
from fastpatent.data.statistics import ALL, grouped_samples, measure_drawings, quantities
from fastpatent.data.workers import worker_count
from fastpatent.errors import DataError
from fastpatent.files import check_output, make_folder
from fastpatent.progress import ProgressLine
from fastpatent.report.histograms import write_histograms
from fastpatent.report.statistics import is_summary, statistics_table, write_rows, write_summaries

logger = logging.getLogger(__name__)


def stats(argv: Sequence[str]) -> None:
    """Measure every image that a configuration trains or tests on; those that cannot be read are reported and skipped."""
    parser = config_parser("fastpatent data stats", "Connected components, ink, sizes and images per patent.")
    parser.add_argument("--output", metavar="DIR", help="where the results go; OUTPUT_DIR where not given")
    args = parser.parse_args(argv)
    cfg = load_from(args)
    sets = used_sets(cfg)
    for splits, _ in sets:
        refuse_outside(splits.skipped, splits.name)
    groups = grouped_samples(sets)
    samples = list({sample.path: sample for group in groups.values() for sample in group}.values())
    folder = make_folder(args.output or cfg.OUTPUT_DIR, "--output" if args.output else "OUTPUT_DIR")
    places = [folder / name for name in ("statistics.csv", "statistics.png", "drawings.parquet")]
    for place in places:  # they are written together, the CSV file first
        check_output(place, "the statistics", lambda _: is_summary(places[0]))
    log.start(folder)
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    with ProgressLine("measuring", len(samples)) as line:
        paths = [sample.path for sample in samples]
        measures, faults = measure_drawings(paths, workers, lambda done, _: line.update(done), cfg.INPUT.MAX_PIXELS)
    report_skipped({"unreadable drawing": faults}, cfg.DATASETS.ROOT)
    if not measures:
        raise DataError(f"{cfg.DATASETS.ROOT}: no image of DATASETS.NAMES and DATASETS.TESTS can be read")
    values = {name: quantities(group, measures) for name, group in groups.items()}
    logger.info(statistics_table(values))
    write_summaries(values, places[0])
    write_histograms({name: group for name, group in values.items() if name != ALL}, places[1])
    write_rows(samples, measures, cfg.DATASETS.ROOT, places[2])
    logger.info(
        f"{len(measures):,} images measured, {len(faults)} could not be read; written: {', '.join(map(str, places))}"
    )
