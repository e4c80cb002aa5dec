"""A configuration that names a folder of other files: no command replaces or removes one of them."""

import os
import tracemalloc
from pathlib import Path

import pytest

from fastpatent.commands import main
from fastpatent.data import quarantine
from fastpatent.engine.run_folder import MARK, own_run_folder, remove_run
from fastpatent.errors import ConfigError, DataError
from fastpatent.models.weights_file import check_weights_output
from fastpatent.report.benchmark.files import check_benchmark
from fastpatent.report.gallery import check_gallery
from fastpatent.report.statistics import is_summary
from fastpatent.uspto.build import build_dataset
from tests.polygons import write_designs
from tests.uspto.weeks import LIMIT, files_below, name_of, week, write_tar

SETTINGS = (
    "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATALOADER.NUM_WORKERS", "0",
    "MODEL.DEVICE", "cpu", "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]", "BENCHMARK.RESAMPLES", "5",
    "BENCHMARK.SYSTEMS", "['hog.yml']", "DATASETS.DRAWINGS.VAL_FRACTION", "0.5",
)  # fmt: skip
HOG = "DESCRIPTOR.NAME", "hog"
SIFT = "DESCRIPTOR.NAME", "sift_fisher", "DESCRIPTOR.VOCABULARY.WORDS", "2", "DESCRIPTOR.VOCABULARY.DIM", "4"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Six designs of four drawings, as a `Drawings` data set."""
    root = tmp_path_factory.mktemp("drawings")
    write_designs(root, 6, size=32, seed=0)
    return root


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder of another's files, outside the working directory."""
    (tmp_path / "work").mkdir()
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("hog.yml").write_text("DESCRIPTOR: {NAME: hog}\n")
    return tmp_path / "theirs"


def named(job, *words):
    return pytest.param(job, *words, id=" ".join([*job, *words[0]]))


@pytest.mark.parametrize(
    "job, names, options",
    [
        named(["train"], ["config.yaml"], ()),
        named(["train"], ["last_checkpoint"], ()),
        named(["train"], ["quarantine.csv"], ()),
        named(["train"], ["run.json", "history.jsonl"], ()),
        named(["train"], ["model_best.pth"], ()),
        named(["train", "--resume"], ["config.yaml"], ()),
        named(["train", "--resume"], ["model_final.pth", "last_checkpoint", "config.yaml"], ()),
        named(["train", "--overwrite"], ["model_best.pth", "config.yaml", "events.out.tfevents.1"], ()),
        named(["test"], ["result.npy"], HOG),
        named(["test"], ["result.zip"], HOG),
        named(["test"], ["results.json"], HOG),
        named(["test"], ["gallery_Drawings.png"], HOG),
        named(["test"], ["gallery_Drawings.html"], HOG),
        named(["test"], ["features/Drawings.npy"], HOG),
        named(["test"], ["features/Drawings.json"], HOG),
        named(["test"], ["vocabulary.safetensors"], SIFT),
        named(["find", "--image", "IMAGE"], ["found.png"], HOG),
        named(["find", "IMAGE", "--in", "ROOT", "--csv", "THEIRS/a.csv"], ["a.csv"], HOG),
        named(["data", "stats"], ["statistics.csv"], ()),
        named(["data", "stats"], ["statistics.png", "drawings.parquet"], ()),
        named(["data", "pack"], ["32x32/00001.json", "32x32/00003.1.u8"], ()),
        named(["benchmark"], ["Drawings/benchmark.html"], ()),
        named(["benchmark"], ["Drawings/benchmark.csv"], ()),
        named(["benchmark"], ["Drawings/gallery_best.png"], ()),
        named(["extract", "--images", "ROOT", "--output", "THEIRS/a.npz"], ["a.npz"], HOG),
        named(["export", "--output", "THEIRS/a.onnx"], ["a.onnx"], ()),
    ],
)
def test_files_of_another_origin_stay(job, names, options, theirs, drawings, capfd):
    for name in names:
        (theirs / name).parent.mkdir(exist_ok=True)
        (theirs / name).write_text('{"caption": "mine"}')
    places = {"IMAGE": str(drawings / "d0/0.png"), "ROOT": str(drawings)}
    words = [places.get(word, word.replace("THEIRS", str(theirs))) for word in job]
    folders = ("DATASETS.ROOT", str(drawings), "OUTPUT_DIR", str(theirs), "DATASETS.PACKS", str(theirs))
    assert main([*words, *SETTINGS, *folders, *options]) in (0, 1)
    printed = capfd.readouterr()
    assert any(Path(name).name in printed.out + printed.err for name in names), printed
    assert {(theirs / name).read_text() for name in names} == {'{"caption": "mine"}'}


def test_what_a_command_wrote_it_writes_again(theirs, drawings, capfd):
    """Also where a kill has left some of the files only."""
    folders = ("DATASETS.ROOT", str(drawings), "OUTPUT_DIR", str(theirs), "DATASETS.PACKS", str(theirs))
    for job, options, some in (
        (["benchmark"], (), [f"Drawings/benchmark.{suffix}" for suffix in ("html", "md", "csv", "json")]),
        (["test"], SIFT, ["features/Drawings.json"]),
        (["data", "pack"], (), ["32x32/00000.json"]),
    ):
        for again in range(3):
            assert main([*job, *SETTINGS, *folders, *options]) == 0, capfd.readouterr()
            for name in some if again else []:
                (theirs / name).unlink()


@pytest.mark.parametrize("place", ["~", ".", "..", "ROOT", "ROOT/d0", "HOME/.ssh"])
def test_a_training_anywhere_removes_nothing(place, theirs, drawings, monkeypatch):
    """--overwrite in the working directory, above it, in the data, at home: no file goes, whatever the folder's state."""
    monkeypatch.setenv("HOME", str(theirs))
    folder = Path(place.replace("ROOT", str(drawings)).replace("HOME", str(theirs)))
    folder.mkdir(exist_ok=True)
    (folder / "model_final.pth").write_text("theirs")
    (theirs / "config.yaml").write_text("theirs")
    before = sorted(path for top in (theirs.parent, drawings) for path in top.rglob("*") if path.name != ".lock")
    with pytest.raises(ConfigError, match="no training has written it"), own_run_folder(folder, overwrite=True):
        pass
    remove_run(folder)
    assert sorted(path for top in (theirs.parent, drawings) for path in top.rglob("*") if path.name != ".lock") == before
    (folder / "model_final.pth").unlink()


def test_a_forged_mark_gives_no_file_but_those_of_a_run(theirs):
    own = {"config.yaml", "model_best.pth", "log.txt"}
    others = {"thesis.tex", "model_of_mine.pth", ".env", "model_best.pth.bak", "config.yml", "events.csv"}
    (theirs / "sub").mkdir()
    for name in (*own, *others, "sub/model_best.pth"):
        (theirs / name).write_text(f"{MARK}\nSEED: 3\n")
    with own_run_folder(theirs, overwrite=True):
        remove_run(theirs)
    assert {path.name for path in theirs.iterdir()} == {*others, "sub", ".lock"}
    assert (theirs / "sub/model_best.pth").exists()


SPARSE = {
    "gallery.html": lambda path: check_gallery(path.with_suffix("")),
    "statistics.csv": is_summary,
    "weights.json": lambda path: check_weights_output(path.with_suffix(".safetensors"), [Path("in.pth")]),
    "benchmark.html": lambda path: check_benchmark(path.parent),
    "quarantine.csv": quarantine._read,
    "config.yaml": lambda path: own_run_folder(path.parent).__enter__(),
}


@pytest.mark.parametrize("name", SPARSE)
def test_a_sparse_file_in_place_of_an_output_is_not_read_whole(name, tmp_path):
    path = tmp_path / name
    path.touch()
    os.truncate(path, 2**28)
    tracemalloc.start()
    try:
        assert not SPARSE[name](path)
    except (ConfigError, DataError) as error:
        assert name in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * 2**26 and path.stat().st_size == 2**28


@pytest.fixture
def build(tmp_path):
    """Function that builds a data set of six patents in tmp_path / "out"."""
    archive = write_tar(tmp_path / "I20210105.tar", week(range(1, 7)))
    return lambda: build_dataset([str(archive)], tmp_path / "out", seed=0, test_fraction=0.3, val_fraction=0.3, limit=LIMIT)


@pytest.mark.parametrize("link", ["build", "train_data", "train_data/patent_data", "train_data/patent_data/I20210105"])
def test_a_build_writes_through_no_link_out_of_its_folder(link, theirs, tmp_path, build):
    own = theirs / name_of(1)
    own.mkdir()
    (own / "mine.txt").write_text("mine")
    place = tmp_path / "out" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(theirs)
    if "I2021" in link:
        (tmp_path / "out/build").mkdir()
        (tmp_path / "out/build/old.jsonl").touch()
    with pytest.raises(DataError, match=f"{place}: leads out of .*, to {theirs}; remove the link"):
        build()
    assert files_below(theirs) == {f"{name_of(1)}/mine.txt": b"mine"}


@pytest.mark.parametrize("name", [name_of(1), f".{name_of(1)}"])
def test_files_in_the_folder_of_a_patent_stay(name, tmp_path, build):
    build()
    whole = files_below(tmp_path / "out")
    folder = tmp_path / "out/train_data/patent_data/I20210105" / name
    folder.mkdir(exist_ok=True)
    (folder / "mine.txt").write_text("mine")
    (tmp_path / "out/build/I20210105.tar.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match=f"{folder}: .*has files that no build wrote"):
        build()
    assert (folder / "mine.txt").read_text() == "mine"
    (folder / "mine.txt").unlink()
    build()
    assert files_below(tmp_path / "out") == whole
