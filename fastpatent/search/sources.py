"""The drawings of a folder or a list, as an index takes them, and what is read of each beside its vector."""

import hashlib
import os
import re
from typing import NamedTuple

from yacs.config import CfgNode

from fastpatent.data.confinement import Confinement, confined_to, refuse_outside, remove_outside
from fastpatent.data.datasets.patent import DRAWING_PLACES
from fastpatent.data.image import open_drawing, read_bytes
from fastpatent.data.image_files import count_skipped, find_drawings, own_folders
from fastpatent.data.list_dataset import read_splits
from fastpatent.data.load_datasets import report_skipped
from fastpatent.errors import DataError
from fastpatent.evaluation.design_search import design_of
from fastpatent.report.picture import shrink, small_png
from fastpatent.search.figures import Figure, cut_out, split_sheet

PATENT = re.compile(r"US[A-Z]*\d+-\d{8}", re.ASCII)  # a folder of this name is this patent wherever it lies
THUMBNAIL = 192  # pixels of its longer side


class Wanted(NamedTuple):
    """A drawing that an index shall have: absolute path, name below its folder, and name of its patent."""

    path: str
    name: str
    patent: str


class Pixels(NamedTuple):
    """What is read of a drawing.

    Attributes:
        size, changed, digest: of its file, in bytes; when, in ns; BLAKE2b of its bytes.
        thumbnail: a PNG file.
        figure: of the file; None: all of it.
    """

    size: int
    changed: int
    digest: bytes
    thumbnail: bytes
    figure: Figure | None = None


def read_source(cfg: CfgNode, source: str, index: str) -> list[Wanted]:
    """Return the drawings of a folder, of any depth, or of a list file beside or one below their folder.

    The patent of a drawing in a folder is that of `design_of`, or the folder's own name where that is a patent's; of a
    listed one it is the folder of the drawing, as in every list.

    Args:
        cfg: DATASETS.FOLLOW_LINKS, and where commands write.
        source: the folder or list.
        index: folder of the index, which may lie below the source.

    Raises:
        DataError: there is no drawing, or a link leads out of the folder.
    """
    if os.path.isdir(source):
        within = None if cfg.DATASETS.FOLLOW_LINKS else source
        names, skipped = find_drawings(source, [*own_folders(cfg), index], within)
        refuse_outside(skipped, source)
        if not names:
            raise DataError(f"{source}: there is no image in this folder{count_skipped(skipped)}")
        report_skipped(skipped, source)
        root = os.path.abspath(source)
        return [Wanted(os.path.join(root, name), name, _patent(name)) for name in names]
    if not os.path.isfile(source):
        raise DataError(f"{source}: there is no such folder or list of drawings")
    root, name = os.path.split(os.path.abspath(source))
    splits = read_splits(source, root, {"gallery": name}, ["."], [*DRAWING_PLACES, ".."], parts=["gallery"])
    remove_outside(splits, Confinement(confined_to(cfg) and os.path.dirname(root)))
    refuse_outside(splits.skipped, source)
    paths = dict.fromkeys(sample.path for sample in splits.gallery)
    return [Wanted(path, path, text(path.rsplit("/", 2)[-2])) for path in paths]


def text(name: str) -> str:
    """Return a name of a file as UTF-8 can hold it: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def read_pixels(path: str, invert: bool, most: int, figures: bool) -> list[Pixels] | str:
    """Return what an index has of a file's drawings beside their vectors, or why it cannot be read.

    Args:
        path: of the file.
        invert, most: see `open_drawing`; without `figures`, thumbnails are not inverted.
        figures: whether it is split into its figures.
    """
    try:
        state = os.stat(path)
        data = read_bytes(path)
        image = open_drawing(path, data, invert=invert and figures, most=most)
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"
    of_file = state.st_size, state.st_mtime_ns, hashlib.blake2b(data, digest_size=16).digest()
    found = split_sheet(image) if figures else []
    if found in ([], [Figure(0, 0, *image.size)]):
        return [Pixels(*of_file, small_png(shrink(image, THUMBNAIL)))]
    return [Pixels(*of_file, small_png(shrink(cut_out(image, figure), THUMBNAIL)), figure) for figure in found]


def _patent(name: str) -> str:
    design = design_of(name)
    folder = design.rpartition("/")[2]
    return text(folder if PATENT.fullmatch(folder) else design)
