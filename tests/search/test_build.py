"""`fastpatent index`: what is built, added and removed, killed anywhere and gone on with, and what bad input says."""

import csv
import io
import json
import os
import re
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow.parquet import read_table, write_table

from fastpatent.commands import main
from fastpatent.data.lock import only_writer
from fastpatent.files import sha256_of
from fastpatent.search import build, shards
from fastpatent.search.index import open_index
from fastpatent.search.layout import generation_folder
from fastpatent.search.milvus import Collection
from tests.forked import run_python
from tests.search.test_figures import CAPITALS, FONTS, draw_sheet, font
from tests.small_sets import strokes, write_drawing, write_list

PIXELS = ("DESCRIPTOR.NAME", "pixels", "DATALOADER.NUM_WORKERS", "0", "MODEL.DEVICE", "cpu")


def feature(path):
    """The pixels of a drawing, in float64, of length 1."""
    small = Image.open(path).convert("L").resize((32, 32), Image.Resampling.BOX)
    row = 1 - np.asarray(small, np.float64).ravel() / 255
    return row / np.linalg.norm(row)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four patents of two drawings each, a broken image, and an empty working directory for the index."""
    for number in range(8):
        write_drawing(tmp_path / f"drawings/p{number // 2}/{number}.png", number)
    (tmp_path / "drawings/p0/broken.png").write_bytes(b"no image")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(build, "ROWS", 3)
    return tmp_path / "drawings"


@pytest.fixture
def chosen(request):
    """Settings of an index of pixels; in tests that ask for `place`, its vectors are there."""
    place = request.getfixturevalue("place") if "place" in request.fixturenames else None
    return (*PIXELS, "SEARCH.BACKEND", "milvus", "SEARCH.URI", place.uri) if place else PIXELS


@pytest.fixture
def run(capfd, chosen):
    """A function of words that runs `fastpatent index` -> (status, output, errors)."""

    def run(*words, settings=chosen):
        status = main(["index", *map(str, words), *settings])
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


def make(run, folder, *words):
    status, out, err = run("build", folder, "--out", "I", *words)
    assert status == 0, err
    return out + err


def contents(index="I"):
    """{path: (patent, title)} of an index, whose vectors must be those of the files."""
    opened = open_index(index)
    for row in range(len(opened)):
        np.testing.assert_allclose(opened.vectors[row], feature(opened.path(row)), atol=1e-5)
        assert opened.thumbnail(row).startswith(b"\x89PNG")
    titles = opened.drawings["title"].to_pylist()
    return {opened.path(row): (opened.patents[opened.patent_of[row]], titles[row]) for row in range(len(opened))}


def files(folder):
    return {str(path): (path.parent.name, "") for path in folder.rglob("*.png") if path.name != "broken.png"}


def test_an_index_has_every_drawing_that_can_be_read(run, folder, place):
    out = make(run, folder)
    assert "8 drawings extracted, 0 known, 1 skipped" in out and "I: 8 drawings of 4 patents, kind flat" in out
    assert contents() == files(folder)
    with open(generation_folder("I", 1) / "skipped.csv", newline="") as file:
        (skipped,) = csv.DictReader(file)
    assert skipped["path"] == f"{folder}/p0/broken.png" and "not a complete PNG" in skipped["reason"]
    scores, rows = open_index("I").search(feature(folder / "p2/5.png")[None], 1)
    assert open_index("I").path(rows[0, 0]) == f"{folder}/p2/5.png" and scores[0, 0] == pytest.approx(1)
    status, out, _ = run("info", "I", settings=())
    assert status == 0 and "8 drawings of 4 patents, generation 1" in out and "network pixels" in out
    status, out, _ = run("verify", "I", settings=())
    assert status == 0 and "8 drawings were extracted again" in out and "I: nothing is wrong" in out
    assert "nothing has changed" in make(run, folder) and open_index("I").generation == 1


def test_only_what_is_new_or_changed_is_extracted(run, folder, place):
    make(run, folder)
    write_drawing(folder / "p4/new.png", 50)
    write_drawing(folder / "p1/2.png", 51)
    shutil.copy(folder / "p3/6.png", folder / "p5.png")  # the same bytes by another name
    os.utime(folder / "p3/7.png", (1, 1))  # touched
    (folder / "p0/broken.png").unlink()
    write_drawing(folder / "p0/broken.png", 52)
    (folder / "p2/4.png").unlink()
    (folder / "p2/5.png").write_bytes(b"broken now")
    before = set(files(folder)) - {f"{folder}/p2/5.png"}
    status, out, err = run("add", "I", folder, settings=())
    assert status == 0 and "3 drawings extracted, 6 known, 1 skipped" in out and "p2/5.png" in err
    opened = open_index("I")
    paths = {opened.path(row) for row in range(len(opened))}
    # what was removed from the folder stays, until it is removed from the index
    assert paths == before | {f"{folder}/p0/broken.png", f"{folder}/p2/4.png"} and opened.generation == 2
    assert list(opened.skipped()) == [f"{folder}/p2/5.png"]
    row = [opened.path(row) for row in range(len(opened))].index(f"{folder}/p1/2.png")
    np.testing.assert_allclose(opened.vectors[row], feature(folder / "p1/2.png"), atol=1e-5)
    assert "0 drawings extracted, 9 known" in make(run, folder)  # a build has the drawings of the folder alone
    assert set(contents()) == before | {f"{folder}/p0/broken.png"}


def test_what_is_removed_is_gone(run, folder, place):
    make(run, folder)
    status, out, _ = run("remove", "I", "p1", folder / "p3/6.png", settings=())
    assert status == 0 and "3 drawings removed" in out
    gone = {f"{folder}/p1/2.png", f"{folder}/p1/3.png", f"{folder}/p3/6.png"}
    assert set(contents()) == set(files(folder)) - gone and len(open_index("I").skipped()) == 1
    for names, message in (
        (("p1",), "no patent and no drawing p1; choose from p0, p2, p3"),
        (("p0", "p2", "p3"), "no drawing would"),
    ):
        status, _, err = run("remove", "I", *names, settings=())
        assert status == 1 and message in err and len(open_index("I")) == 5


def write_sheet(path):
    """Write a sheet of two figures with captions, on its side; return the figures, upright."""
    sheet, boxes = draw_sheet(font(FONTS[1]), CAPITALS)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.crop((0, 0, 1000, 600)).rotate(90, expand=True).save(path)
    return [sheet.crop(box) for box in boxes[1::-1]]


def test_each_figure_of_a_sheet_is_a_drawing_of_its_patent(run, folder, tmp_path):
    sheet, count = folder / "p9/sheet.png", 10
    figures = write_sheet(sheet)
    (folder / "p0/broken.png").unlink()
    assert "10 drawings extracted, 0 known, 0 skipped" in make(run, folder)
    for adding in (True, False):
        index = open_index("I")
        rows = index.rows_of("p9").tolist()
        assert [index.path(row) for row in rows] == [str(sheet)] * 2 and len(index) == count
        for row, figure in zip(rows, figures):
            figure.save(tmp_path / "figure.png")
            np.testing.assert_allclose(index.vectors[row], feature(tmp_path / "figure.png"), atol=1e-5)
            small = Image.open(io.BytesIO(index.thumbnail(row)))
            assert small.width / small.height == pytest.approx(figure.width / figure.height, abs=0.02)
            assert index.figure(row).turn == 3
        assert [index.figure(row) for row in range(8)] == [None] * 8
        status, out, _ = run("verify", "I", settings=())
        assert status == 0 and f"{count} drawings were extracted again" in out
        if adding:
            shutil.copy(sheet, folder / "p9.png")  # the same bytes: both figures are known
            assert "0 drawings extracted, 12 known" in run("add", "I", folder)[1]
            count = 12
    assert "2 drawings removed" in run("remove", "I", sheet, settings=())[1]
    assert "sheets are split into their figures" in run("info", "I", settings=())[1]
    assert "9 drawings extracted, 1 known" in make(run, folder, "--no-figures")
    assert open_index("I").figure(9) is None and "sheets are whole" in run("info", "I", settings=())[1]
    assert "0 drawings extracted, 10 known" in run("add", "I", folder)[1]


def test_a_sheet_that_has_become_one_drawing_is_one(run, folder):
    write_sheet(folder / "p9/sheet.png")
    make(run, folder)
    assert len(open_index("I").rows_of("p9")) == 2
    write_drawing(folder / "p9/sheet.png", 77)
    assert "1 drawings extracted, 8 known" in run("add", "I", folder)[1]
    (row,) = open_index("I").rows_of("p9").tolist()
    assert open_index("I").figure(row) is None
    np.testing.assert_allclose(open_index("I").vectors[row], feature(folder / "p9/sheet.png"), atol=1e-5)


def test_an_index_of_version_1_is_verified_and_changed(run, folder):
    make(run, folder, "--no-figures")
    count = len(open_index("I"))
    files, manifest = generation_folder("I", 1), json.loads(Path("I/manifest.json").read_text())
    for name in ("codes.npy", "code_scales.npy", "drawings.arrow"):
        (files / name).unlink()
    write_table(read_table(files / "drawings.parquet").drop_columns("figure"), files / "drawings.parquet")
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in files.iterdir()}
    del manifest["figures"], manifest["milvus"]
    Path("I/manifest.json").write_text(json.dumps(manifest | {"version": 1, "files": files}))
    assert run("verify", "I", settings=())[0] == 0
    write_sheet(folder / "p9/sheet.png")
    assert f"1 drawings extracted, {count} known" in run("add", "I", folder)[1]  # whole sheets, as before
    assert "1 drawings removed" in run("remove", "I", folder / "p9/sheet.png", settings=())[1]
    assert open_index("I").manifest["version"] == 2 and run("verify", "I", settings=())[0] == 0
    write_sheet(folder / "p9/sheet.png")
    assert f"{count + 2} drawings extracted, 0 known" in make(run, folder)


def test_a_file_is_skipped_whole_where_a_figure_of_it_cannot_be_read(run, folder, monkeypatch):
    write_sheet(folder / "p9/sheet.png")
    sample = build.figure_sample

    def second_is_gone(path, figure):
        return sample(path, figure._replace(width=10_000) if figure and figure.top > 300 else figure)

    monkeypatch.setattr(build, "figure_sample", second_is_gone)
    make(run, folder)
    assert list(open_index("I").skipped()) == [f"{folder}/p0/broken.png", f"{folder}/p9/sheet.png"]
    assert contents() == {path: facts for path, facts in files(folder).items() if "sheet" not in path}


IN_FILES = "2.safetensors thumbnails.bin drawings.parquet drawings.arrow random_cosines.npy skipped.csv".split()


def killed_at(number, words, settings=PIXELS, passed_over=()):
    """Run a command in a process that is killed before its `number`-th rename, removal or change in Milvus; was it?

    Args:
        passed_over: names of files whose renames do not count.
    """
    child = os.fork()
    if not child:
        done = 0

        def deadly(function):
            def call(*args, **options):
                nonlocal done
                done += os.path.basename(str(args[-1])) not in passed_over
                if done == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **options)

            return call

        os.replace, shutil.rmtree = deadly(os.replace), deadly(shutil.rmtree)
        for change in ("insert", "delete", "delete_from", "create", "drop"):
            setattr(Collection, change, deadly(getattr(Collection, change)))
        os._exit(main(["index", *map(str, words), *settings]))
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("adding", [False, True])
def test_a_build_or_add_killed_anywhere_goes_on(run, folder, capfd, chosen, place, adding):
    """In Milvus at what differs there: the files that are written the same are all waited for in the first case."""
    first, words = None, ("build", folder, "--out", "I")
    if adding:
        make(run, folder)
        first, words = contents(), ("add", "I", folder)
        for number in range(7):
            write_drawing(folder / f"q{number % 3}/{number}.png", 60 + number)
        shutil.copytree("I", "saved")
    expected, number, extracted = files(folder), 0, []
    for number in range(1, 40):
        shutil.rmtree("I", ignore_errors=True)
        if adding:
            shutil.copytree("saved", "I")
        if not killed_at(number, words, chosen, IN_FILES if place else ()):
            break
        if os.path.exists("I/manifest.json"):
            assert contents() in (first, expected)
        capfd.readouterr()
        status, out, err = run(*words)
        assert status == 0, err
        extracted.append(int(re.search(r"(\d+) drawings extracted", out)[1]))
        assert contents() == expected
        assert run("verify", "I")[0] == 0
        assert not os.path.exists("I/shards") and len(os.listdir("I/generations")) <= 2
        assert not [name for _, _, names in os.walk("I") for name in names if re.match(r"\.[0-9a-f]{16}\.", name)]
    assert extracted == sorted(extracted, reverse=True) and extracted[-1] == 0
    assert len(set(extracted)) == (3 if place else 4)  # nothing, a shard or more, and all is known
    assert contents() == expected


def test_of_two_writers_one_writes(run, folder):
    make(run, folder)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        with only_writer("I", "x"):
            os.write(ready[1], b"x")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for words in (("build", folder, "--out", "I"), ("add", "I", folder), ("remove", "I", "p1")):
        status, _, err = run(*words, settings=() if words[0] == "remove" else PIXELS)
        assert status == 1 and "error: I: another `fastpatent index` is writing to this folder" in err
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    assert contents() == files(folder)


def test_a_full_disk_is_one_sentence_and_leaves_the_old_index(run, folder, capfd):
    make(run, folder)
    for number in range(30):
        write_drawing(folder / f"more/{number}.png", 100 + number)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        os._exit(main(["index", "add", "I", str(folder), *PIXELS]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    err = capfd.readouterr().err
    assert re.search(r"error: I/generations/2/vectors.npy: File too large\n$", err)
    assert len(open_index("I")) == 8 and os.listdir("I/generations") == ["1"]
    assert "0 drawings extracted, 38 known" in run("add", "I", folder)[1] and contents() == files(folder)


def test_a_damaged_shard_is_extracted_again(run, folder):
    assert killed_at(4, ("build", folder, "--out", "I"))
    assert sorted(os.listdir("I/shards"))[-3:-1] == ["1.safetensors", "2.safetensors"]
    with open("I/shards/2.safetensors", "r+b") as file:
        file.write(b"x" * 9)
    assert "is not finished" in run("info", "I", settings=())[2]
    out = make(run, folder)
    assert "I/shards/2.safetensors: is damaged" in out and " 5 known" in out and contents() == files(folder)


def test_names_that_are_not_plain(run, tmp_path, folder, place):
    strange = tmp_path / "strange"
    names = [b"line\nend/a\n.png", b"bytes\xff/\xfe.png", "é 日本/=1+1.png".encode(), b"tab\t/\x1b[31m.png"]
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(strange), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(strokes(number)).save(os.fsdecode(path))
    (strange / "bad\n.png").write_bytes(b"x")
    status, out, err = run("build", strange, "--out", "I")
    assert status == 0 and "\x1b" not in out + err and r"bad\n.png" in err
    opened = open_index("I")
    assert {os.fsencode(opened.path(row)) for row in range(4)} == {os.fsencode(strange) + b"/" + name for name in names}
    assert opened.patents == sorted(["line\nend", "bytes\\udcff", "é 日本", "tab\t"])
    assert run("verify", "I", settings=())[0] == 0
    assert run("remove", "I", "line\nend", settings=())[0] == 0 and len(open_index("I")) == 3


def test_a_list_names_the_drawings(run, tmp_path, folder):
    write_list(tmp_path / "data/some.txt", [f"drawings/p{number // 2}/{number}.png 1" for number in (0, 5, 4)])
    status, _, err = run("build", tmp_path / "data/some.txt", "--out", "I")
    assert status == 0, err
    assert set(contents()) == {f"{folder}/p0/0.png", f"{folder}/p2/5.png", f"{folder}/p2/4.png"}
    status, out, _ = run("add", "I", folder)
    assert "5 drawings extracted, 3 known" in out and contents() == files(folder)


BUILD_IN_TWO = """
import resource, signal, sys
from functools import partial
from torch.multiprocessing import start_processes
from fastpatent.commands import launch, main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
launch.spawn = partial(start_processes, start_method="fork")  # else both processes would import all again
sys.exit(main(["index", "build", *sys.argv[2:]]))
"""


@pytest.mark.slow
def test_several_processes_build_one_index_and_go_on(run, folder):
    """The disk is full after each has written its shard: the generation has larger files."""
    for number in range(32):
        write_drawing(folder / f"more/{number}.png", 100 + number)
    shutil.copy(folder / "p3/6.png", folder / "p0/copy.png")
    write_sheet(folder / "p9/sheet.png")

    def build(limit=resource.RLIM_INFINITY):
        return run_python(os.getcwd(), "-c", BUILD_IN_TWO, limit, folder, "--out", "I", "--num-gpus", "2", *PIXELS)

    done = build(130_000)
    assert done.returncode == 1 and "vectors.npy: File too large" in done.stderr
    assert sorted(os.listdir("I/shards")) == ["1.safetensors", "2.safetensors"]
    write_drawing(folder / "p0/new.png", 200)
    done = build()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1 drawings extracted, 43 known, 1 skipped") == 1
    index = open_index("I")
    assert [index.figure(row) is None for row in index.rows_of("p9").tolist()] == [False] * 2 and len(index) == 44
    assert run("build", folder, "--out", "alone")[0] == 0
    for name in ("vectors.npy", "codes.npy", "thumbnails.bin", "drawings.parquet", "skipped.csv"):
        assert (generation_folder("I", 1) / name).read_bytes() == (generation_folder("alone", 1) / name).read_bytes(), name


def test_another_network_is_refused(run, folder, chosen, place):
    make(run, folder)
    other = ("DESCRIPTOR.NAME", "hog", *chosen[2:])
    status, _, err = run("add", "I", folder, settings=other)
    assert status == 1 and "I: this index is of another network, they differ in DESCRIPTOR.NAME" in err
    status, _, err = run("add", "I", folder, settings=("INPUT.INVERT", "auto"))
    assert status == 1 and "they differ in INPUT.INVERT" in err
    status, out, _ = run("build", folder, "--out", "I", settings=other)
    assert status == 0 and "8 drawings extracted, 0 known" in out and open_index("I").generation == 2
    assert run("verify", "I", settings=())[0] == 0


def test_a_flipped_byte_is_found_and_goes_into_no_new_generation(run, folder):
    make(run, folder)
    for name in sorted(os.listdir(generation_folder("I", 1))):
        path = generation_folder("I", 1) / name
        saved = path.read_bytes()
        data = bytearray(saved)
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        for words in (("verify", "I"), ("add", "I", folder), ("remove", "I", "p1")):
            status, _, err = run(*words, settings=())
            assert status == 1 and f"{name}: " in err and "Traceback" not in err, (words, name)
        path.write_bytes(saved)
    assert run("verify", "I", settings=())[0] == 0
    path = generation_folder("I", 1) / "vectors.npy"
    os.truncate(path, 500)
    out = make(run, folder)
    assert "vectors.npy: is damaged" in out and "8 drawings extracted, 0 known" in out and contents() == files(folder)


def test_vectors_that_are_not_of_the_drawings_are_found(run, folder, monkeypatch):
    normalise = shards.normalise
    monkeypatch.setattr(shards, "normalise", lambda features: np.roll(normalise(features), 1, axis=0))
    make(run, folder)
    status, _, err = run("verify", "I", settings=())
    assert status == 1 and "extracted again, its vector has the cosine" in err
    status, _, err = run("verify", "I", "--sample", "0", settings=())
    assert status == 0, err


@pytest.mark.parametrize(
    "words, message",
    [
        (("build", "empty", "--out", "I"), "empty: there is no image in this folder"),
        (("build", "gone", "--out", "I"), "gone: there is no such folder or list"),
        (("build", "bad", "--out", "I"), "bad: no image in it can be read; first .*bad/x.png"),
        (("build", "../drawings", "--out", "taken"), "--out taken: is there already and is no index"),
        (("build", "../drawings", "--out", "file"), "file: is not a folder"),
        (("build", "../drawings", "--out", "I", "--kind", "hnsw"), "needs 9,984 drawings, not 8; use flat"),
        (("build", "--out", "I"), "give FOLDER|LIST, not 0 names"),
        (("add", "../drawings", "../drawings"), "is no index, it has no manifest.json"),
        (("add", "I", "../drawings", "x"), "give INDEX and FOLDER|LIST, not 0 names; there is no file I, so"),
        (("info", "gone"), "gone: is no index"),
        (("remove", "gone", "p1"), "gone: is no index"),
        (("verify", "gone"), "gone: is no index"),
        (("add", "x", "../drawings", "y"), "give INDEX and FOLDER|LIST, not 3 names"),
    ],
)
def test_bad_input_is_one_sentence(run, folder, words, message):
    os.mkdir("empty")
    os.mkdir("bad")
    os.mkdir("taken")
    for path in ("bad/x.png", "taken/x.txt", "file"):
        with open(path, "w") as file:
            file.write("x")
    settings = () if words[0] in ("info", "remove", "verify") else PIXELS
    status, _, err = run(*words, settings=settings)
    assert status == 1 and re.search(f"error: .*{message.replace('|', '[|]')}", err) and "Traceback" not in err
    assert os.path.exists("file") and os.listdir("taken") == ["x.txt"]
