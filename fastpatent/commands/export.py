"""`fastpatent export`: a trained network as ONNX."""

import logging
from collections.abc import Sequence

import torch
from yacs.config import CfgNode

import fastpatent
from fastpatent import log
from fastpatent.commands.options import config_parser, load_in_use_from
from fastpatent.config.image_size import image_size
from fastpatent.config.report import describe
from fastpatent.data.transforms import VARIOUS_SIZES
from fastpatent.files import check_output, sha256_of
from fastpatent.models.export import BATCHES, export_onnx, is_exported
from fastpatent.models.trained import load_trained

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, export and compare; return the exit status."""
    parser = config_parser("fastpatent export", "Write a trained network as ONNX: uint8 images in, float32 features out.")
    parser.add_argument("--output", required=True, metavar="M.onnx", help="the file to write")
    args = parser.parse_args(argv)
    cfg = load_in_use_from(args)
    output = check_output(args.output, "--output", is_exported)
    log.start()
    model = load_trained(cfg, torch.device("cpu"))
    _, (height, width) = image_size(cfg, "SIZE_TEST")
    any_size = not cfg.INPUT.CROP.ENABLED and cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT in VARIOUS_SIZES
    cosine = export_onnx(model, output, (height, width), any_size, _metadata(cfg))
    size = "height, width" if any_size else f"{height}, {width}"
    logger.info(
        f"{output}: images uint8 [batch, 1, {size}] -> features float32 [batch, dim]; cosine with the network at least "
        f"{cosine:.7f} at batch {', '.join(map(str, BATCHES))}"
    )
    return 0


def _metadata(cfg: CfgNode) -> dict[str, str]:
    record = {"fastpatent": fastpatent.__version__, "configuration": describe(cfg).yaml}
    # a PatentCLIP may have the weights of MODEL.CLIP.PRETRAINED alone, which the configuration names
    return record | ({"weights_sha256": sha256_of(cfg.MODEL.WEIGHTS)} if cfg.MODEL.WEIGHTS else {})
