"""A whole test, from drawings on disk to result.npy, and how well its stages overlap.

Usage: python benchmarks/evaluation_run.py [--small] [--images N] [--steps N] [--ours-only] [--sheets DIR] [--folder DIR]
                                           [--precision P] [--json FILE]

Without options: 51,967 drawings, as many as DeepPatent's test lists name, at 384 x 384 through ResNet-101-IBN with
non-local blocks on one CUDA GPU, against the 4 hours reported for the published system; about ten minutes with 16 cores
and 13 GB of disk. Where there is no GPU that row is not measured, and the others are at the size of --small: 500 drawings
at 64 x 64 through ResNet-18-IBN on the CPU, under 50 s on 2 cores. One thread computes there and one process reads, so
that each has a core to itself.

The drawings are generated, or real sheets from below --sheets, shifted and marked. Weights are random, which changes no
time. `fastpatent test` is timed whole: decoding every drawing, then with another QE_K, then at full size from a pack too.
Its stages are timed alone, reading and computing on a sample of the drawings; the "slowest stage" is the greater of reading
without computing and computing on tensors that lie on the device already. --images: another number of drawings; --steps:
how often each stage is timed; --ours-only: whole tests, decoded and packed, and nothing else.
"""

import argparse
import contextlib
import io
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from drawings import draw_test_set
from table import add_size_options, alone, not_measured, row, show, timed
from tabulate import tabulate

from fastpatent.commands import main as fastpatent
from fastpatent.config import load_config
from fastpatent.data.image_files import find_drawings
from fastpatent.data.load_datasets import load_test_set
from fastpatent.data.loader import build_test_loader
from fastpatent.data.workers import worker_count
from fastpatent.device import choose_device, cpu_name, extraction_precision, set_up_device
from fastpatent.evaluation.features import Features, extract_features
from fastpatent.evaluation.retrieval import processings, rank_features
from fastpatent.evaluation.submission import write_submission
from fastpatent.models import build_model, with_classes

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
FULL = {
    "config": CONFIGS / "patent" / "sbs_R101-ibn_patent_test.yml",
    "queries": 13133,
    "gallery": 38834,
    "decoded": 6400,
    "packed": 6400,
}
SMALL = {"config": CONFIGS / "Base-scratch-R18.yml", "queries": 125, "gallery": 375, "decoded": 160, "packed": 500}
SMALL_WORDS = "MODEL.DEVICE cpu DATALOADER.NUM_WORKERS 1 TEST.IMS_PER_BATCH 8 TEST.FLIP.ENABLED False".split()
EXPANSION = "TEST.AQE.ENABLED True TEST.AQE.ALPHA 2.0 TEST.AQE.QE_K 5 TEST.REPORT False".split()
SET = "DeepPatentTest"
REPORTED = 4 * 3600.0  # seconds of the published system
TARGETS = {"decoded": 100.0, "packed": 60.0}  # seconds
OVERLAP, AGAIN = 1.15, 0.5  # at most: the loop over its slowest stage, a test with another QE_K over the first


def main():
    """Measure, print the tables, and write the rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="500 drawings at 64 x 64 on the CPU, under 50 s")
    add_size_options(parser, "how many drawings, a quarter of them queries", "how often each stage is timed")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="make the drawings from the real sheets below DIR")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep drawings and packs here, and use an earlier run's")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="TEST.PRECISION of the full size")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    full = torch.cuda.is_available() and not options.small
    size, words = (FULL, ["TEST.PRECISION", options.precision]) if full else (SMALL, SMALL_WORDS)
    if options.images:
        queries = max(options.images // 4, 1)
        size = {**size, "queries": queries, "gallery": options.images - queries}
    if not full:
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = draw((options.folder or Path(scratch)).resolve(), size, options.sheets)
        words = [*words, *EXPANSION, "DATASETS.ROOT", str(root), "DATASETS.NAMES", "()", "DATASETS.TESTS", f"('{SET}',)"]
        with contextlib.chdir(scratch):  # where result.npy and the runs go
            rows, stages = measure(size, [*words, "MODEL.WEIGHTS", "random.pth"], full, options)
    if not full and not options.small:
        names = {source: f"{whole_test(FULL, source)} / {REPORTED / 3600:g} h" for source in TARGETS}
        rows = [not_measured(names[source], TARGETS[source] / REPORTED, "<=") for source in TARGETS] + rows
    show_stages(size, load_config(size["config"], words), stages)
    show(rows, options.json)


def draw(folder, size, sheets):
    """Return the root of a test set of this size below `folder`, drawn unless an earlier run did."""
    drawings = size["queries"] + size["gallery"]
    root = folder / f"{drawings}_drawings"
    if not (root / "test_db_patent.txt").exists():  # written last
        print(f"drawing {drawings} sheets", file=sys.stderr, flush=True)
        found = [sheets.resolve() / name for name in find_drawings(sheets)[0]] if sheets else []
        draw_test_set(root, size["queries"], size["gallery"], found)
    return root


def whole_test(size, source):
    """Name a whole test."""
    return f"test of {size['queries'] + size['gallery']} drawings, {source}"


def against_reported(size, source, seconds):
    """Return the row of a whole test, against the published one where they have as many drawings."""
    name = whole_test(size, source)
    if any(size[part] != FULL[part] for part in ("queries", "gallery")):
        return alone(name, seconds)
    return row(f"{name} / {REPORTED / 3600:g} h", seconds, REPORTED, TARGETS[source] / REPORTED)


def measure(size, words, full, options):
    """Return (the table's rows, [(stage, seconds, drawings)])."""
    cfg = load_config(size["config"], words)
    splits = load_test_set(cfg, SET)
    torch.manual_seed(0)
    model = build_model(with_classes(cfg, 1))
    torch.save(model.state_dict(), cfg.MODEL.WEIGHTS)
    whole, stages, rows = {}, [], []
    for source, packs in (("decoded", ["DATASETS.PACKS", ""]), ("packed", [])):
        given = [*words, *packs, "OUTPUT_DIR", source]
        if source == "packed":
            timed(whole, "data pack", lambda: command(["data", "pack"], size, given))
        if source == "decoded" or full or options.ours_only:
            timed(whole, f"test, {source}", lambda: command(["test"], size, given))
        if full or options.ours_only:
            rows.append(against_reported(size, source, whole[f"test, {source}"]))
        if options.ours_only:
            continue
        if source == "decoded":
            timed(whole, "test, other QE_K", lambda: command(["test"], size, [*given, "TEST.AQE.QE_K", "3"]))
        samples = [*splits.query, *splits.gallery][: size[source]]
        alone = overlap(load_config(size["config"], given), model, samples, options.steps or (1 if full else 2))
        stages += [(f"{name}, {source}", seconds, len(samples)) for name, seconds in alone.items()]
        slowest = max(alone["reading"], alone["computing"])
        rows.append(row(f"extraction, {source} / its slowest stage alone", alone["extraction"], slowest, OVERLAP))
    drawings = len(splits.query) + len(splits.gallery)
    if options.ours_only:
        return rows, [(name, seconds, drawings) for name, seconds in whole.items()]
    rows.append(row("test with another QE_K / first test", whole["test, other QE_K"], whole["test, decoded"], AGAIN))
    after_extraction(whole, cfg, splits)
    return rows, [(name, seconds, drawings) for name, seconds in whole.items()] + stages


def command(job, size, words):
    """Run a command of fastpatent without its output; what is wrong goes to stderr and ends the benchmark."""
    print(" ".join(["fastpatent", *job, "..."]), file=sys.stderr, flush=True)
    with contextlib.redirect_stdout(io.StringIO()):
        status = fastpatent([*job, "--config-file", str(size["config"]), *words])
    if status:
        raise SystemExit(status)


def overlap(cfg, model, samples, repeats):
    """Return the seconds of {reading alone, computing alone, the extraction loop} over the same drawings, by name."""
    device, precision = set_up_device(cfg).device, extraction_precision(cfg.TEST.PRECISION)
    model.to(device, memory_format=torch.channels_last).eval()
    batches = [batch["images"].to(device) for batch in build_test_loader(cfg, samples, device)]

    def read():
        for _ in build_test_loader(cfg, samples, device):
            pass

    @torch.inference_mode()
    def compute(batches):
        for images in batches:
            with precision.autocast(device):
                model(images)
        if device.type == "cuda":
            torch.cuda.synchronize()

    def extract():
        extract_features(model, build_test_loader(cfg, samples, device), device, precision)

    compute(batches[:1] + batches[-1:])  # a first pass chooses algorithms
    seconds = {}
    for _ in range(repeats):
        timed(seconds, "reading", read)
        timed(seconds, "computing", lambda: compute(batches))
        timed(seconds, "extraction", extract)
    return seconds


def after_extraction(seconds, cfg, splits):
    """Time what a test does with its features: ranking and metrics, the same with expansion before, writing."""
    rows = np.load(Path("decoded") / "features" / f"{SET}.npy")
    features = Features("network", *np.split(rows, [len(splits.query)]))
    device = choose_device(cfg.MODEL.DEVICE).device
    for name, settings in processings(cfg):
        name = f"ranking + metrics of {name}"
        last = timed(seconds, name, lambda: rank_features(features, splits, name=name, **settings, device=device))
    timed(seconds, "writing result.npy and result.zip", lambda: write_submission(last.ranking))


def show_stages(size, cfg, stages):
    """Print what was measured, on what, and how long each stage took."""
    device = choose_device(cfg.MODEL.DEVICE)
    print(
        f"{size['queries']} queries + {size['gallery']} database drawings at {' x '.join(map(str, cfg.INPUT.SIZE_TEST))}, "
        f"{size['config'].stem}, {cfg.TEST.PRECISION}\n"
        f"{device.device} ({device.reason}); {cpu_name()}, {torch.get_num_threads()} thread(s) compute, "
        f"{worker_count(cfg.DATALOADER.NUM_WORKERS)[0]} process(es) read; "
        f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}\n"
    )
    table = [[name, seconds, drawings, 1e3 * seconds / drawings] for name, seconds, drawings in stages]
    print(tabulate(table, ["stage", "s", "drawings", "ms a drawing"], floatfmt=".3g") + "\n")


if __name__ == "__main__":
    main()
