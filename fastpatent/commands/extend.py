"""`fastpatent data extend`: the extended test database list, put together from a data set's other lists."""

import os

from fastpatent.commands.options import config_parser, load_from
from fastpatent.data.datasets.patent import LIST_PLACES
from fastpatent.data.extended import DATABASE, DISTRACTORS, LIST, missing_parts, write_extended_list
from fastpatent.engine.log import RunLog
from fastpatent.errors import DataError


def extend(argv):
    """Write the list that `DeepPatentTestExtended` reads beside the test lists; an older one is replaced only if asked."""
    parser = config_parser("fastpatent data extend", "Test database, validation and training drawings in one list.")
    parser.add_argument("--replace", action="store_true", help=f"write {LIST} anew where there is one")
    args = parser.parse_args(argv)
    folder = _lists_folder(load_from(args).DATASETS.ROOT)
    there = os.path.join(folder, LIST)
    if os.path.exists(there) and not args.replace:
        raise DataError(f"{there} is there already; --replace writes it anew")
    path, count = write_extended_list(folder)
    log = RunLog()
    for part in missing_parts(folder):
        log.say(f"no {part} drawings in it: {folder} holds no {' or '.join(DISTRACTORS[part])}")
    log.say(f"{path}: {count:,} drawings")


def _lists_folder(root):
    folders = [os.path.normpath(os.path.join(root, place)) for place in LIST_PLACES]
    for folder in folders:
        if os.path.isfile(os.path.join(folder, DATABASE)):
            return folder
    raise DataError(f"no list {DATABASE} in {' or '.join(folders)} (DATASETS.ROOT)")
