"""`fastpatent export`: a trained network as ONNX."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from yacs.config import CfgNode

import fastpatent
from fastpatent import log
from fastpatent.commands.options import config_parser, load_in_use_from
from fastpatent.config.image_size import image_size
from fastpatent.config.report import describe
from fastpatent.data.fitting import build_fit
from fastpatent.data.transforms import VARIOUS_SIZES, build_resize
from fastpatent.evaluation.extraction import Extraction
from fastpatent.files import check_output, sha256_of
from fastpatent.models.export import any_image, export_onnx, fitted_images, is_exported
from fastpatent.models.trained import load_trained

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, export and compare; return the exit status."""
    parser = config_parser("fastpatent export", "Write a trained network as ONNX: a grey image in, uint8; its features out.")
    parser.add_argument("--output", required=True, metavar="M.onnx", help="the file to write")
    parser.add_argument("--fitted", action="store_true", help="take a batch of images that are resized already")
    args = parser.parse_args(argv)
    cfg = load_in_use_from(args)
    output = check_output(args.output, "--output", is_exported)
    log.start()
    _, size = image_size(cfg, "SIZE_TEST")
    any_size = not cfg.INPUT.CROP.ENABLED and cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT in VARIOUS_SIZES
    taken, fit = (fitted_images(size, any_size), None) if args.fitted else (any_image(size), build_fit(cfg))
    network, resize = load_trained(cfg, torch.device("cpu")), build_resize(cfg, "SIZE_TEST")
    test = cfg.TEST
    exported, of_fitted = (Extraction(network, test.FLIP.ENABLED, test.SCALES, how, test.TURNS) for how in (fit, None))

    def truth(images: np.ndarray) -> torch.Tensor:
        if fit is None:
            return of_fitted(torch.from_numpy(images))
        return of_fitted(torch.from_numpy(np.array(resize(Image.fromarray(images))))[None, None])[0]

    cosine = export_onnx(exported, output, taken, truth, _metadata(cfg))
    features = "[dim]" if fit else "[batch, dim]"
    logger.info(f"{output}: {taken} -> features float32 {features}; cosine with extraction in fp32 at least {cosine:.7f}")
    return 0


def _metadata(cfg: CfgNode) -> dict[str, str]:
    record = {"fastpatent": fastpatent.__version__, "configuration": describe(cfg).yaml}
    # a PatentCLIP may have the weights of MODEL.CLIP.PRETRAINED alone, which the configuration names
    return record | ({"weights_sha256": sha256_of(cfg.MODEL.WEIGHTS)} if cfg.MODEL.WEIGHTS else {})
