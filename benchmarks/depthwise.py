"""Steps of EfficientNet-Lite0 in bfloat16 on the CPU: torch's depthwise gradients against `layers/depthwise.py`.

Usage: python benchmarks/depthwise.py [--size 128] [--batch 96] [--steps 6] [--json FILE]

Both networks step in turn and the best step of each counts, once as the C library allocates by itself
and once with large freed blocks kept, as in training.
"""

import argparse
from pathlib import Path
from unittest.mock import patch

import torch
from table import faster, show, timed

from fastpatent.backbones import timm
from fastpatent.device import cpu_name, keep_freed_memory, versions


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=96, help="images of a step")
    parser.add_argument("--steps", type=int, default=6, help="steps of each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    torch.manual_seed(0)
    ours = network(options.size)
    with patch.object(timm, "replace_depthwise"):
        theirs = network(options.size)
    images = torch.randn(options.batch, 3, options.size, options.size).contiguous(memory_format=torch.channels_last)
    seconds = {}
    step(ours, images)
    for when in ("as allocated", "freed memory kept"):
        for _ in range(options.steps):
            timed(seconds, f"ours, {when}", lambda: step(ours, images))
            timed(seconds, f"torch, {when}", lambda: step(theirs, images))
        keep_freed_memory()
    print(f"{cpu_name()}, {torch.get_num_threads()} threads, {versions()}, {options.batch} images of {options.size} px")
    kept = seconds["ours, freed memory kept"]
    rows = [
        faster("step, memory as allocated", seconds["ours, as allocated"], seconds["torch, as allocated"], None),
        faster("step, freed memory kept", kept, seconds["torch, freed memory kept"], None),
        faster("both against neither", kept, seconds["torch, as allocated"], 1.5),
    ]
    show(rows, options.json)


def network(size):
    """Return EfficientNet-Lite0 with random weights, in training mode and channels_last."""
    backbone = timm.TimmBackbone(timm.create_model("tf_efficientnet_lite0"), (size, size))
    return backbone.to(memory_format=torch.channels_last).train()


def step(backbone, images):
    """Take a forward and a backward pass in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        loss = backbone(images).float().mean()
    loss.backward()
    backbone.zero_grad()


if __name__ == "__main__":
    main()
