"""IBN and the non-local block against their plain forms: halves that are split and joined, and 1 x 1 convolutions.

Usage: python benchmarks/norms.py [--small] [--steps N] [--json FILE]

The plain forms are torch's instance norm and batch norm on two halves, and a block of convolutions and a batch norm. Both
sides do forward, backward and step of a whole network in turn, bf16 or float16 in channels_last; the best step counts.
--small: ResNet-18-IBN at 64 px alone, batch 32, a few seconds.
"""

import argparse
import platform
from contextlib import contextmanager
from pathlib import Path

import torch
from table import faster, show, timed
from training_step import FULL, RECIPE, SMALL, batch_of, trainer_of

from fastpatent.config import load_config
from fastpatent.device import choose_device, cpu_name, training_precision
from fastpatent.layers.ibn import IBN
from fastpatent.layers.non_local import NonLocal

WARM_UP = 2  # steps at most


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="ResNet-18-IBN at 64 px alone, batch 32")
    parser.add_argument("--steps", type=int, metavar="N", default=6, help="timed steps of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    networks = [(SMALL, 64, 32 if options.small else 128)]
    networks += [] if options.small else [(FULL, 256, 128 if gpu else 16)]
    rows = [of_network(*network, options.steps) for network in networks]
    device = choose_device("cuda")
    print(
        f"seconds a step; {device.device} ({device.reason}), {training_precision(True, device.device).dtype}; "
        f"{cpu_name()}, {torch.get_num_threads()} threads; torch {torch.__version__}, Python {platform.python_version()}\n"
    )
    show(rows, options.json)


def of_network(config, side, batch_size, steps):
    """Return the row of a whole training step of one network."""
    words = [*RECIPE, "INPUT.SIZE_TRAIN", f"[{side},{side}]", "SOLVER.IMS_PER_BATCH", str(batch_size)]
    cfg = load_config(config, words)
    trainer = trainer_of(cfg, 1000)
    batch = batch_of(cfg, trainer.device)
    seconds = {}
    warm_up = min(WARM_UP, steps)
    for count in range(warm_up + steps):
        if count == warm_up:
            seconds.clear()
        timed(seconds, "ours", lambda: step(trainer, batch))
        with plain_forms():
            timed(seconds, "plain", lambda: step(trainer, batch))
    return faster(f"{config.stem}, {side} px, batch {batch_size}: plain / ours", seconds["ours"], seconds["plain"], 1)


def step(trainer, batch):
    """Take one step and wait for it."""
    trainer.step(batch)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def plain_forms():
    """Within this block both layers are computed as torch's modules are written."""
    ours = IBN.forward, NonLocal.forward
    IBN.forward, NonLocal.forward = split_and_join, NonLocal.by_convolutions
    yield
    IBN.forward, NonLocal.forward = ours


def split_and_join(ibn, features):
    """Return what an IBN layer returns."""
    instance, batch = features.tensor_split([ibn.split], dim=1)
    return torch.cat([ibn.IN(instance), ibn.BN(batch)], dim=1)


if __name__ == "__main__":
    main()
