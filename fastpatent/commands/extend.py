"""`fastpatent data extend`: the extended test database list, put together from a data set's other lists."""

import logging
import os
from collections.abc import Sequence

from fastpatent import log
from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.datasets.patent import LIST_PLACES
from fastpatent.errors import DataError
from fastpatent.uspto.extended import DATABASE, DISTRACTORS, LIST, missing_parts, write_extended_list

logger = logging.getLogger(__name__)


def extend(argv: Sequence[str]) -> None:
    """Write the list that `DeepPatentTestExtended` reads beside the test lists; --replace overwrites an older one."""
    parser = config_parser("fastpatent data extend", "Test gallery, validation and training images in one list.")
    parser.add_argument("--replace", action="store_true", help=f"write {LIST} anew where there is one")
    args = parser.parse_args(argv)
    folder = _lists_folder(load_from(args).DATASETS.ROOT)
    there = os.path.join(folder, LIST)
    if os.path.isdir(there) and not os.path.islink(there):
        raise DataError(f"{there}: is a folder where the list is to be written; move it away")
    if os.path.lexists(there) and not args.replace:
        raise DataError(f"{there} is there already; --replace writes it anew")
    path, count = write_extended_list(folder)
    log.start()
    for part in missing_parts(folder):
        logger.info(f"no {part} images in it: {folder} has no {' or '.join(DISTRACTORS[part])}")
    logger.info(f"{path}: {count:,} images")


def _lists_folder(root: str) -> str:
    folders = [os.path.normpath(os.path.join(root, place)) for place in LIST_PLACES]
    for folder in folders:
        if os.path.isfile(os.path.join(folder, DATABASE)):
            return folder
    raise DataError(f"no list {DATABASE} in {' or '.join(folders)} (DATASETS.ROOT)")
