"""Private pictures do not reach galleries, features or packs by links and paths in a data folder from elsewhere."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from fastpatent.commands import main
from fastpatent.data import confinement as confinement_module
from fastpatent.data.confinement import Confinement, remove_outside
from fastpatent.data.image_files import find_drawings
from fastpatent.data.load_datasets import read_set
from fastpatent.data.pack.reader import open_pack
from fastpatent.data.pack.shard import Entry, PackSize, write_shard
from fastpatent.data.records import PARTS, Sample, Splits
from fastpatent.errors import DataError
from tests.small_sets import small_config, write_drawing, write_list, write_patent_set

LISTED = "train_data/patent_data"


@pytest.fixture
def home(tmp_path):
    """A folder of private pictures beside the data."""
    write_drawing(tmp_path / "home/private.png", 999)
    write_drawing(tmp_path / "home/USD0000009-20200101/USD0000009-20200101-D00001.png", 998)
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path):
    """A data folder that every data set here can read: lists, folders of designs, a table of captions."""
    write_patent_set(tmp_path / "data")
    for number in range(8):
        write_drawing(tmp_path / f"data/designs/d{number // 4}/{number}.png", number)
    return tmp_path / "data"


def append(path, *lines):
    write_list(path, [*path.read_text().splitlines(), *lines])


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.unlink()
    path.symlink_to(target)


def listed_file(root, home):
    link(root / LISTED / (root / "train_data/train_patent_trn.txt").read_text().split()[0], home / "private.png")


def listed_folder(root, home):
    link(root / LISTED / "evil", home)
    append(root / "train_data/train_patent_trn.txt", "evil/private.png 99")


def layout_folder(root, home):
    """The folder itself that the layout names."""
    (root / LISTED).rename(home / "patent_data")
    link(root / LISTED, home / "patent_data")


def link_in_a_link(root, home):
    link(root / LISTED / "one", "../two")
    link(root / "train_data/two", home)
    append(root / "train_data/train_patent_trn.txt", "one/USD0000009-20200101/USD0000009-20200101-D00001.png 99")


def challenge_database(root, home):
    link(root / "codalab_test_set/database", home)
    write_drawing(root / "codalab_test_set/queries/1.png", 1)
    write_list(root / "codalab_test_set/lists/test_queries.txt", ["queries/1.png"])
    write_list(root / "codalab_test_set/lists/test_database.txt", ["database/private.png"])


def walked_file(root, home):
    link(root / "designs/d0/x.png", home / "private.png")


def walked_folder(root, home):
    link(root / "designs/more", home)


def only_walked_folders(root, home):
    for design in ("d0", "d1"):
        (root / "designs" / design).rename(home / design)
        link(root / "designs" / design, home / design)


def sketches(root, home):
    for domain, name in (("sketch", "n1-1.png"), ("photo", "n1.jpg")):
        write_drawing(root / domain / "tx_000000000000/cat" / name, 3)
    link(root / "sketch/tx_000000000000/cat/n1-2.png", home / "private.png")


def caption(filepath):
    def write(root, home):
        link(root / "link.png", home / "private.png")
        write_list(root / "TRAIN.csv", ["filepath,caption", f"{filepath.format(home=home)},secret", "designs/d0/1.png,b"])

    return write


def impact(root, home):
    link(root / "patents/USD0000009-20200101", home / "USD0000009-20200101")
    sheets = [f"USD000000{number}-20200101-D00001.png" for number in (7, 8, 9)]
    for sheet in sheets[:2]:
        write_drawing(root / "patents" / sheet[:-11] / sheet, 5)
    write_list(root / "impact.csv", ["file_names,class,title,caption", *(f"\"['{sheet}']\",D14,a,b" for sheet in sheets)])


ATTACKS = [
    ("Patent", listed_file, "", 1),
    ("Patent", listed_folder, "", 1),
    ("Patent", layout_folder, "", 36),
    ("Patent", link_in_a_link, "", 1),
    ("PatentTest", challenge_database, "", 1),
    ("Drawings", walked_file, "designs", 1),
    ("Drawings", walked_folder, "designs", 1),
    ("Drawings", only_walked_folders, "designs", 2),
    ("Sketchy", sketches, "", 1),
    ("Captioned", caption("../home/private.png"), "", 1),
    ("Captioned", caption("{home}/private.png"), "", 1),
    ("Captioned", caption("link.png"), "", 1),
    ("Impact", impact, "", 1),
]


@pytest.mark.parametrize(("name", "attack", "folder", "count"), ATTACKS)
def test_links_and_paths_out_of_the_data_are_refused_unless_allowed(root, home, name, attack, folder, count):
    attack(root, home)
    cfg = small_config()
    cfg.DATASETS.ROOT, cfg.DATASETS.CAPTIONS.TRAIN = str(root / folder), "TRAIN.csv"
    parts = ("train",) if name == "Captioned" else None
    with pytest.raises(DataError, match=rf"{count} x .* leads out of the data, first .*{home}.*DATASETS.FOLLOW_LINKS True"):
        read_set(cfg, name, parts)
    if attack is not only_walked_folders:  # nothing else is left there
        splits = read_set(cfg, name, parts, verify=False)
        assert sum(len(cases) for kind, cases in splits.skipped.items() if "leads out" in kind) == count
        assert str(home) not in {os.path.realpath(sample.path)[: len(str(home))] for sample in samples(splits)}
    cfg.DATASETS.FOLLOW_LINKS = True
    assert str(home) in {os.path.realpath(sample.path)[: len(str(home))] for sample in samples(read_set(cfg, name, parts))}


def samples(splits):
    return [sample for part in PARTS for sample in getattr(splits, part)]


def test_the_root_may_be_a_link_and_links_inside_it_are_no_matter(root, tmp_path):
    link(tmp_path / "linked/once", root)
    link(tmp_path / "twice", "linked/once")
    link(root / LISTED / "again", root / "designs")
    append(root / "train_data/train_patent_trn.txt", "again/d0/1.png 99", "again/d1/5.png 98")
    cfg = small_config()
    cfg.DATASETS.ROOT = str(tmp_path / "twice")
    assert len(read_set(cfg, "Patent").train) == 26


def test_real_paths_are_those_of_the_system(root, home, monkeypatch):
    """Against os.path.realpath, of paths of every form; of an image inside the root one question is asked."""
    link(root / "a/out", home)
    link(root / "a/in", root / "designs")
    link(root / "a/x.png", home / "private.png")
    link(root / "a/round", "round")
    paths = ["a/out/private.png", "a/in/d0/1.png", "a/x.png", "a/round", "a/in/../../home/private.png", "designs/../a/x.png"]
    paths += ["a/out/../private.png", "a/out/../home/private.png", "absent/x.png", "../home/private.png", "..", "."]
    monkeypatch.chdir(root)
    for path in [*paths, *(str(root / path) for path in paths), str(root) + "-other/x.png", "/", "/x.png"]:
        real = os.path.realpath(path)
        inside = Path(real).is_relative_to(os.path.realpath(root))
        assert Confinement(root).target(path) == (None if inside else real), path
        assert Confinement(None).target(path) is None and Confinement("/").target(path) is None, path
    questions = []
    islink = os.path.islink
    monkeypatch.setattr(confinement_module.os.path, "islink", lambda path: questions.append(path) or islink(path))
    drawings = [Sample(str(path), None) for path in sorted((root / "designs").rglob("*.png"))]
    remove_outside(Splits("x", drawings, [], []), Confinement(root))
    assert len(questions) <= len(drawings) + 2 + len(root.parts)


@pytest.fixture
def deep(root):
    """A folder of one image below 1,100 folders in `designs`, which no function that calls itself can reach."""
    folders = [root / "designs"]
    for _ in range(1_100):
        folders.append(Path(f"{folders[-1]}/a"))
        folders[-1].mkdir()
    write_drawing(folders[-1] / "x.png", 5)
    yield folders[-1]
    (folders[-1] / "x.png").unlink()
    for folder in reversed(folders[1:]):  # the fixture of pytest cannot remove them either
        folder.rmdir()


def test_paths_of_thousands_of_folders(root, deep, monkeypatch):
    append(root / "train_data/train_patent_trn.txt", "a/" * 2_000 + "x.png 99", "a/" * 900 + "x.png 98")
    cfg = small_config()
    cfg.DATASETS.ROOT = str(root)
    assert len(read_set(cfg, "Patent", verify=False).train) == 26
    questions, lstat = [], os.lstat
    monkeypatch.setattr(os, "lstat", lambda path, **how: questions.append(path) or lstat(path, **how))
    assert Confinement(root).target(f"{deep}/x.png") is None
    found, skipped = find_drawings(root / "designs", within=root)
    assert len(found) == 9 and not skipped
    assert len(questions) < 1_100 + 10 * len(root.parts)


def test_a_chain_of_links_that_the_system_does_not_follow_is_no_image(root, capfd):
    folder = root / "train_data/patent_data"
    target = folder / "end.png"
    target.touch()
    for place in range(1_500):
        (folder / f"l{place}").symlink_to(f"l{place - 1}" if place else "end.png")
    confinement = Confinement(root)
    assert confinement.target(f"{folder}/l1499") is None and confinement.target(f"{folder}/l1499/x/y.png") is None
    (folder / "out.png").symlink_to("/etc/hostname")
    assert confinement.target(f"{folder}/out.png") == os.path.realpath("/etc/hostname")


def test_packs_are_not_written_through_a_link(root, home, capfd):
    link(root / "designs/packs", home)
    before = sorted(home.rglob("*"))
    assert main(["data", "pack", *command_words(root / "designs")]) == 1
    error = capfd.readouterr().err
    assert f"packs/24x20 -> {home}/24x20: DATASETS.PACKS leads out of the data" in error and "FOLLOW_LINKS" in error
    assert sorted(home.rglob("*")) == before
    for words in (["DATASETS.FOLLOW_LINKS", "True"], ["DATASETS.PACKS", str(root / "designs/packs")]):
        assert main(["data", "pack", *command_words(root / "designs", *words)]) == 0
    assert (home / "24x20").is_dir()


def command_words(root, *more):
    words = ["DATASETS.ROOT", str(root), "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)"]
    words += ["DATALOADER.NUM_WORKERS", "0", "INPUT.SIZE_TRAIN", "[24,20]", "INPUT.SIZE_TEST", "[24,20]"]
    return [*words, "DESCRIPTOR.NAME", "pixels", "OUTPUT_DIR", str(root.parent / "out"), *more]


def test_every_command_refuses_them_and_data_check_counts_and_names_them(root, home, tmp_path, capfd):
    walked_file(root, home)
    walked_folder(root, home)
    words = command_words(root / "designs")
    output = str(tmp_path / "features.npz")
    for command in (
        ["test"],
        ["data", "pack"],
        ["data", "stats"],
        ["extract", "--images", str(root / "designs"), "--output", output],
    ):
        assert main([*command, *words]) == 1, command
        error = capfd.readouterr().err
        assert "2 x image or folder that leads out of the data, first " in error and f"{home}" in error, command
        assert "DATASETS.FOLLOW_LINKS" in error and "Traceback" not in error, command
    assert not Path(output).exists()
    assert main(["data", "check", *words]) == 1
    printed = capfd.readouterr().out
    assert printed.count("image or folder that leads out of the data: ") == 2 and f"{home}/private.png" in printed
    extract = ["extract", "--images", str(root / "designs"), "--output", output, *words, "DATASETS.FOLLOW_LINKS", "True"]
    assert main(extract) == 0, capfd.readouterr().err
    with np.load(output) as found:
        assert sorted(found["paths"])[-2:] == ["more/USD0000009-20200101/USD0000009-20200101-D00001.png", "more/private.png"]


@pytest.mark.parametrize("path", ["../../home/private.png", "{home}/private.png", ".link.png"])
def test_the_index_of_a_pack_brings_no_private_picture_into_it(root, home, capfd, path):
    """A colleague's pack names one as changed; packed anew, it would go back to them with the pack."""
    designs, size = root / "designs", PackSize(24, 20, False)
    link(designs / ".link.png", home / "private.png")  # hidden: no image of the set
    folder = designs / "packs" / size.folder
    folder.mkdir(parents=True)
    blank = np.full((24, 20), 255, np.uint8)
    write_shard(folder, 0, 0, size, iter([(Entry(path.format(home=home), 1, 1, zlib.crc32(blank)), blank)]))
    assert main(["data", "pack", *command_words(designs)]) == 1
    printed = capfd.readouterr().out
    assert (
        "leads out of the data: " in printed and f" -> {home}/private.png" in printed and "8 added, 1 unreadable" in printed
    )
    shards, faults = open_pack(folder, size)
    assert not faults and len(shards) > 0
    assert {entry.path for shard in shards for entry in shard.entries} == {f"d{n // 4}/{n}.png" for n in range(8)}
