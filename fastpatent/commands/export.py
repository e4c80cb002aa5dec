"""`fastpatent export`: a trained network as ONNX."""

from pathlib import Path

import torch

import fastpatent
from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_trained
from fastpatent.config.report import describe
from fastpatent.data.transforms import VARIOUS_SIZES
from fastpatent.engine.log import RunLog
from fastpatent.errors import DataError
from fastpatent.files import sha256_of
from fastpatent.models.export import BATCHES, export_onnx


def main(argv=None):
    """Parse the command line, export and compare; return the exit status."""
    parser = config_parser("fastpatent export", "Write a trained network as ONNX: uint8 drawings in, float32 features out.")
    parser.add_argument("--output", required=True, metavar="M.onnx", help="the file to write")
    args = parser.parse_args(argv)
    cfg = load_from(args)
    output = Path(args.output)
    if not output.parent.is_dir():
        raise DataError(f"--output {output}: there is no folder {output.parent}")
    log = RunLog()
    model = load_trained(cfg, torch.device("cpu"), log)
    height, width = cfg.INPUT.SIZE_TEST
    any_size = cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT in VARIOUS_SIZES
    cosine = export_onnx(model, output, (height, width), any_size, _metadata(cfg))
    size = "height, width" if any_size else f"{height}, {width}"
    log.say(
        f"{output}: images uint8 [batch, 1, {size}] -> features float32 [batch, dim]; cosine with the network at least "
        f"{cosine:.7f} at batch {', '.join(map(str, BATCHES))}"
    )
    return 0


def _metadata(cfg):
    digest = sha256_of(cfg.MODEL.WEIGHTS)
    return {"fastpatent": fastpatent.__version__, "configuration": describe(cfg).yaml, "weights_sha256": digest}
