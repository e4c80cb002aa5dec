"""Which files below a folder are images, and why the others are skipped."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from yacs.config import CfgNode

from fastpatent.data.confinement import OUTSIDE, Confinement
from fastpatent.errors import DataError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jfif", ".jpe", ".mpo")
SYSTEM = {  # folders and files that file servers and operating systems make, in small letters
    "@eadir", "@recycle", "@tmp", "#recycle", "$recycle.bin", "__macosx", "lost+found", "system volume information",
    "desktop.ini", "ehthumbs.db", "thumbs.db",
}  # fmt: skip
RUN_LOG = "log.txt"  # with one of the next two, it marks the folder of a run
RUN_FILES = {"config.yaml", "last_checkpoint"}
CACHE = "features"  # its folder of cached features
RUN_PICTURE = re.compile(r"(gallery_.*|map_.*|growth|found|statistics)\.png")  # what commands write there

UNREADABLE, BROKEN, TWICE = "unreadable folder", "link that leads nowhere", "folder reached again through a link"
OUTPUT, HIDDEN, OF_SYSTEM = "output of a run", "hidden file or folder", "file or folder of the system"
SPECIAL, OTHER, LOOSE = "neither file nor folder", "no image by its name", "image outside of every design's folder"


def find_drawings(
    folder: str | os.PathLike[str], outputs: Iterable[str] = (), within: str | os.PathLike[str] | None = None
) -> tuple[list[str], dict[str, list[str]]]:
    """Find the images below a folder, at any depth.

    A folder reached twice through links counts once. Pictures that a command has written are no images, whether below
    `outputs` or in the folder of an earlier run.

    Args:
        folder: where to search.
        outputs: folders below it that hold what the commands write, see `own_folders`.
        within: folder that links may not leave, see `confined_to`; None: they may lead anywhere.

    Returns:
        (sorted paths relative to the folder, separated by "/"; {kind of what is skipped: absolute paths}).

    Raises:
        DataError: the folder does not exist or cannot be read.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: there is no such folder of drawings")
    root = os.path.abspath(folder)
    confinement = Confinement(within)
    ours = {os.path.realpath(output) for output in outputs} - {os.path.realpath(root)}
    found: list[str] = []
    skipped: defaultdict[str, list[str]] = defaultdict(list)
    visited: set[str] = set()
    waiting = [(root, os.path.realpath(root))]
    while waiting:
        here, real = waiting.pop()
        if real in visited or real in ours:
            skipped[TWICE if real in visited else OUTPUT].append(here)
            continue
        if not confinement.holds(real):
            skipped[OUTSIDE].append(f"{here} -> {real}")
            continue
        visited.add(real)
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if here == root:
                raise DataError(f"{folder}: the folder cannot be read: {error.strerror}") from error
            skipped[UNREADABLE].append(f"{here}: {error.strerror}")
            continue
        names = {entry.name for entry in entries}
        is_run = RUN_LOG in names and (RUN_FILES & names or any(map(RUN_PICTURE.fullmatch, names)))
        folders: list[tuple[str, str]] = []
        for entry in entries:
            is_folder, is_file = _type(entry)
            kind = _why_skipped(entry, is_folder, is_file, bool(is_run))
            if kind:
                skipped[kind].append(entry.path)
            elif is_folder:
                is_link = entry.is_symlink()
                folders.append((entry.path, os.path.realpath(entry.path) if is_link else os.path.join(real, entry.name)))
            elif target := entry.is_symlink() and confinement.target(entry.path):
                skipped[OUTSIDE].append(f"{entry.path} -> {target}")
            else:
                found.append(entry.path)
        waiting += reversed(folders)
    prefix = os.path.join(root, "")
    return sorted(path.removeprefix(prefix).replace(os.sep, "/") for path in found), dict(skipped)


def own_folders(cfg: CfgNode) -> list[str]:
    """Return the folders that commands write to: OUTPUT_DIR, and that of the packs."""
    packs = cfg.DATASETS.PACKS
    return [cfg.OUTPUT_DIR, *([os.path.join(cfg.DATASETS.ROOT, packs)] if packs else [])]


def count_skipped(skipped: Mapping[str, Sequence[str]]) -> str:
    """Return what was skipped in words that continue a sentence; empty where nothing was."""
    counts = [f"{len(cases)} x {kind}" for kind, cases in skipped.items() if cases]
    return f"; skipped: {', '.join(counts)}" if counts else ""


def _type(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Return (is a folder, is a file), of a link what it leads to."""
    try:
        return entry.is_dir(), entry.is_file()
    except OSError:  # a link in a circle, or into a folder that may not be read
        return False, False


def _why_skipped(entry: os.DirEntry[str], is_folder: bool, is_file: bool, is_run: bool) -> str:
    """Return the kind of a file or folder that is skipped, empty of one that is not."""
    name = entry.name
    if name.lower() in SYSTEM:
        return OF_SYSTEM
    if name.startswith("."):
        return HIDDEN
    if is_folder:
        return OUTPUT if is_run and name == CACHE else ""
    if not is_file:
        return BROKEN if entry.is_symlink() else SPECIAL
    suffix = os.path.splitext(name)[1].lower()
    if is_run and (RUN_PICTURE.fullmatch(name) or suffix not in SUFFIXES):
        return OUTPUT
    if suffix in SUFFIXES:
        return ""
    return f"{OTHER} ({suffix})" if suffix[1:].isalnum() and len(suffix) <= 6 else OTHER
