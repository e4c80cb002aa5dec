"""Every configuration's network: parameters, operations, feature size, and images a second on this machine.

Usage: python benchmarks/model_zoo.py [--small] [--device DEVICE] [--only WORD] [--json FILE]

Parameters are those of a trained network in use: without the class weights. Operations are counted at INPUT.SIZE_TEST for
one drawing, a multiply-add as two. Images a second are of extraction without reading, in bf16 where the device computes in
it, the best of three batches of about 200 GFLOP: one to eight drawings. Configurations of one network at one size share a
row.
--small: only networks below 5 GFLOPs.
"""

import argparse
import copy
import json
import platform
import time
from pathlib import Path

import torch
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from fastpatent.config import load_config
from fastpatent.device import choose_device, cpu_name, training_precision
from fastpatent.models import build_model, with_classes

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
LARGEST_BATCH, BATCH_GFLOPS, SMALL_GFLOPS = 8, 200, 5.0
SIZES_OF_THEIR_OWN = {"native": (1860, 1410)}  # the median sheet of DeepPatent
HEADERS = ["configurations", "pixels", "M parameters", "GFLOPs", "features", "images/s"]


def main():
    """Count and measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help=f"only networks below {SMALL_GFLOPS:g} GFLOPs")
    parser.add_argument("--device", default="cuda", help="cuda (the default; the CPU where there is no GPU) or cpu")
    parser.add_argument("--only", default="", metavar="WORD", help="only configurations with this word in their path")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    device = choose_device(options.device).device
    precision = training_precision(True, device)
    rows = {}
    for path in sorted(CONFIGS.rglob("*.yml")):
        name = path.relative_to(CONFIGS).with_suffix("").as_posix()
        if options.only not in name or path.stem.startswith("Base") or path.parent.name == "sweeps":
            continue
        cfg = load_config(
            path, ["MODEL.BACKBONE.PRETRAIN", "False", "MODEL.TOWER_WEIGHTS", "['','']", "MODEL.CLIP.PRETRAINED", "''"]
        )
        if cfg.DESCRIPTOR.NAME or cfg.BENCHMARK.SYSTEMS:
            continue
        cfg = with_classes(cfg, 1)
        size = SIZES_OF_THEIR_OWN.get(cfg.INPUT.FIT, tuple(cfg.INPUT.SIZE_TEST))
        head = cfg.MODEL.HEADS
        key = json.dumps([cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.CLIP.NAME, cfg.MODEL.BACKBONE, head.NAME, head.POOL_LAYER,
                          head.EMBEDDING_DIM, len(cfg.MODEL.PIXEL_MEAN), size])  # fmt: skip
        if key not in rows:
            rows[key] = measure(cfg, size, device, precision, options.small)
        if rows[key]:
            rows[key].setdefault("names", []).append(name)
    rows = [found for found in rows.values() if found]
    print(
        f"{device}, {str(precision.dtype).removeprefix('torch.')}, {cpu_name()}, {torch.get_num_threads()} threads; "
        f"torch {torch.__version__}, Python {platform.python_version()}\n"
    )
    table = [["<br>".join(line["names"]), *(line[key] for key in HEADERS[1:])] for line in rows]
    print(tabulate(table, HEADERS, tablefmt="pipe", floatfmt=".3g"))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(cfg, size, device, precision, small):
    """Return the row of one network, or None where only small ones are wanted and it is none."""
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    weights = sum(parameter.numel() for name, parameter in model.named_parameters() if name != "heads.weight")
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter, torch.device("meta"):
            features = copy.deepcopy(model).to("meta")(torch.zeros(1, 1, *size, dtype=torch.uint8))
        operations = counter.get_total_flops() / 1e9
        if small and operations >= SMALL_GFLOPS:
            return None
        model.to(device)
        batch = max(1, min(LARGEST_BATCH, int(BATCH_GFLOPS / operations)))
        images = torch.randint(0, 256, (batch, 1, *size), dtype=torch.uint8, device=device)
        with precision.autocast(device):
            seconds = min(seconds_of(model, images) for _ in range(3))
    return {
        "pixels": f"{size[0]} x {size[1]}",
        "M parameters": weights / 1e6,
        "GFLOPs": operations,
        "features": features.shape[1],
        "images/s": batch / seconds,
    }


def seconds_of(model, images):
    """Return how long one batch takes."""
    started = time.perf_counter()
    model(images).cpu()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
