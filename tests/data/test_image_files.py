"""Which files of a folder are images, and under which name each other one is counted."""

import os

import pytest

from fastpatent.config import get_cfg
from fastpatent.data.image_files import count_skipped, find_drawings, own_folders
from fastpatent.errors import DataError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def found(root, *outputs):
    """(images, {kind: paths relative to root})"""
    drawings, skipped = find_drawings(root, outputs)
    prefix = os.path.join(os.path.abspath(root), "")
    return drawings, {kind: [case.replace(prefix, "") for case in cases] for kind, cases in skipped.items()}


def test_images_are_sorted_paths_of_any_depth_and_every_suffix(tmp_path):
    drawings = ["b/x.PNG", "a/deep/y.tif", "a/z.JpEg", "top.bmp", "a/w.tiff", "a/b.jpg"]
    drawings += ["a/c.gif", "a/c.webp", "a/c.jfif", "a/c.jpe", "a/c.mpo"]
    touch(tmp_path, *drawings)
    assert found(tmp_path) == (sorted(drawings), {})


def test_what_is_no_image_is_counted_by_its_kind(tmp_path):
    touch(tmp_path, "a/1.png", "a/x.PDF", "a/y.pdf", "a/x.xml", "a/png", "a/x.q-7", ".hidden/h.png", "a/.h.png")
    touch(tmp_path, "a/@eaDir/1.png/SYNO.png", "__MACOSX/a/1.png", "$RECYCLE.BIN/1.png", "a/Thumbs.db", "a/.DS_Store")
    os.mkfifo(tmp_path / "a/pipe.png")
    os.symlink("nowhere", tmp_path / "a/broken.png")
    os.symlink("itself", tmp_path / "a/itself")
    assert found(tmp_path) == (
        ["a/1.png"],
        {
            "hidden file or folder": [".hidden", "a/.DS_Store", "a/.h.png"],
            "file or folder of the system": ["$RECYCLE.BIN", "__MACOSX", "a/@eaDir", "a/Thumbs.db"],
            "link that leads nowhere": ["a/broken.png", "a/itself"],
            "neither file nor folder": ["a/pipe.png"],
            "no image by its name": ["a/png", "a/x.q-7"],
            "no image by its name (.pdf)": ["a/x.PDF", "a/y.pdf"],
            "no image by its name (.xml)": ["a/x.xml"],
        },
    )


def test_linked_folders_count_once_and_loops_end(tmp_path):
    touch(tmp_path, "elsewhere/x.png")
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(tmp_path / "elsewhere", root / "linked")
    os.symlink(tmp_path / "elsewhere", root / "twice")
    os.symlink(root, root / "loop")
    assert found(root) == (["linked/x.png"], {"folder reached again through a link": ["loop", "twice"]})


def test_folders_that_may_not_be_read_are_named(tmp_path, monkeypatch):
    """By a scandir that refuses, since root may read everything."""
    touch(tmp_path, "a/1.png", "b/1.png")
    scandir = os.scandir

    def refusing(folder):
        if folder == closed:
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    closed = str(tmp_path / "a")
    assert found(tmp_path) == (["b/1.png"], {"unreadable folder": ["a: Permission denied"]})
    closed = str(tmp_path)
    with pytest.raises(DataError, match="the folder cannot be read: Permission denied"):
        find_drawings(tmp_path)
    with pytest.raises(DataError, match="absent: there is no such folder"):
        find_drawings(tmp_path / "absent")


def test_what_commands_write_is_no_drawing(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "a/found.png", "b/log.txt", "b/gallery.png", "packs/64x64/1.png", "now/deep/1.png")
    pictures = ["gallery_Drawings.png", "found.png", "map_umap.png", "growth.png", "statistics.png"]
    ours = sorted(["earlier/log.txt", *(f"earlier/{name}" for name in pictures), "trained/config.yaml", "trained/log.txt"])
    touch(tmp_path, "trained/1.png", "earlier/features/x.npy", *ours)
    monkeypatch.chdir(tmp_path)
    cfg = get_cfg()
    cfg.DATASETS.ROOT, cfg.OUTPUT_DIR = ".", "now"
    drawings, skipped = found(".", *own_folders(cfg))
    assert drawings == ["a/1.png", "a/found.png", "b/gallery.png", "trained/1.png"]  # no log beside it, not a name of ours
    assert sorted(skipped.pop("output of a run")) == sorted([*ours, "earlier/features", "now", "packs"])
    assert skipped == {"no image by its name (.txt)": ["b/log.txt"]}
    cfg.OUTPUT_DIR, cfg.DATASETS.PACKS = ".", ""
    assert "now/deep/1.png" in find_drawings(".", own_folders(cfg))[0]  # the folder itself is searched


def test_names_that_are_not_utf8(tmp_path):
    touch(tmp_path, os.fsdecode(b"m\xfcller/\xff.png"))
    (name,) = find_drawings(tmp_path)[0]
    assert os.fsencode(name) == b"m\xfcller/\xff.png"


def test_counts_in_words():
    assert count_skipped({"hidden": ["a", "b"], "empty": []}) == "; skipped: 2 x hidden"
    assert count_skipped({}) == ""
