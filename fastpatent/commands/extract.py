"""`fastpatent extract` and tools/extract_features.py: the features of every image in a folder."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from fastpatent import log
from fastpatent.commands.options import config_parser, load_in_use_from
from fastpatent.data.confinement import refuse_outside
from fastpatent.data.image_files import count_skipped, find_drawings, own_folders
from fastpatent.data.load_datasets import report_skipped
from fastpatent.data.records import Sample
from fastpatent.device import set_up_device
from fastpatent.errors import DataError
from fastpatent.evaluation.features import all_equal
from fastpatent.evaluation.pipeline import Pipeline, are_readable
from fastpatent.files import check_output, write_atomically

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, extract and write; return the exit status."""
    parser = config_parser("fastpatent extract", "Write the features of every image below a folder.")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of images, searched to any depth")
    parser.add_argument(
        "--output", required=True, metavar="F.npz", help="features float32 [n, dim], paths [n] sorted, relative"
    )
    args = parser.parse_args(argv)
    cfg = load_in_use_from(args)
    folder, output = Path(args.images), check_output(args.output, "--output", _has_features)
    within = None if cfg.DATASETS.FOLLOW_LINKS else folder
    paths, skipped = find_drawings(args.images, own_folders(cfg), within)
    refuse_outside(skipped, f"--images {folder}")
    if not paths:
        raise DataError(f"--images {folder}: there is no image in this folder{count_skipped(skipped)}")
    log.start()
    report_skipped(skipped, args.images)
    device = set_up_device(cfg).device
    samples = [Sample(str(folder / path), None) for path in paths]
    broken: dict[str, str] = {}
    features = Pipeline(cfg, device).embed_images(samples, str(folder), broken)
    assert features is not None, "one process extracts everything"
    if broken:
        readable = are_readable(samples, broken)
        features, paths = features[readable], list(compress(paths, readable))
        logger.warning(f"{len(broken)} images cannot be read and are in neither `features` nor `paths`")
    if all_equal(features):
        logger.warning("all features are equal: these weights tell no image from another")

    def save(temporary: Path) -> None:
        with open(temporary, "wb") as opened:
            np.savez(opened, features=features, paths=np.array(paths))

    write_atomically(output, save)
    logger.info(f"{output}: {features.shape[0]} images x {features.shape[1]} features")
    return 0


def _has_features(path: Path) -> bool:
    with np.load(path, mmap_mode="r", allow_pickle=False) as stored:  # of an array, not a byte
        return {"features", "paths"} <= set(stored.files)
