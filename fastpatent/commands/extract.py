"""`fastpatent extract` and tools/extract_features.py: the features of every drawing in a folder."""

from pathlib import Path

import numpy as np
import torch

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.systems import extractor
from fastpatent.data.samples import Sample, find_drawings
from fastpatent.engine.device import choose_device
from fastpatent.engine.log import RunLog
from fastpatent.errors import DataError
from fastpatent.files import write_atomically


def main(argv=None):
    """Parse the command line, extract and write; return the exit status."""
    parser = config_parser("fastpatent extract", "Write the features of every drawing below a folder.")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of drawings, searched to any depth")
    parser.add_argument(
        "--output", required=True, metavar="F.npz", help="features float32 [n, dim], paths [n] sorted, relative"
    )
    args = parser.parse_args(argv)
    cfg = load_from(args)
    folder, output = Path(args.images), Path(args.output)
    paths = find_drawings(folder)
    if not paths:
        raise DataError(f"--images {folder}: there is no drawing in this folder")
    if not output.parent.is_dir():
        raise DataError(f"--output {output}: there is no folder {output.parent}")
    log = RunLog()
    device = choose_device(cfg.MODEL.DEVICE).device
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    samples = [Sample(str(folder / path), None) for path in paths]
    features = extractor(cfg, device, log)(samples, str(folder))

    def save(temporary):
        with open(temporary, "wb") as opened:
            np.savez(opened, features=features, paths=np.array(paths))

    write_atomically(output, save)
    log.say(f"{output}: {features.shape[0]} drawings x {features.shape[1]} features")
    return 0
