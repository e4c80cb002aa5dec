"""`fastpatent find DRAWING... --in FOLDER`, as a person would run it."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands import main
from fastpatent.config.default_network import WEIGHTS
from tests.polygons import write_designs

HOG = ("DESCRIPTOR.NAME", "hog", "DATALOADER.NUM_WORKERS", "0", "MODEL.DEVICE", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five designs of three drawings, one of them deeper, and two loose drawings."""
    root = tmp_path_factory.mktemp("find") / "designs"
    write_designs(root, 5, views=4)
    (root / "deep").mkdir()
    (root / "d3").rename(root / "deep/d3")
    for loose in ("l1", "l2"):
        (root / "d4" / f"{int(loose[1])}.png").rename(root / f"{loose}.png")
    (root / "notes.txt").write_text("no drawing")
    return root


@pytest.fixture
def find(folder, tmp_path, monkeypatch, capfd):
    """A function of words that runs the command in an empty folder, with a cache of its own -> (status, output, errors)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(*words, settings=HOG):
        status = main(["find", *map(str, words), *settings])
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def features(folder, tmp_path_factory):
    """{path below the folder: feature, float64, of length 1}, as `extract` writes them."""
    output = tmp_path_factory.mktemp("features") / "f.npz"
    assert main(["extract", "--images", str(folder), "--output", str(output), *HOG]) == 0
    with np.load(output) as found:
        rows = found["features"].astype(np.float64)
        return dict(zip(found["paths"].tolist(), rows / np.linalg.norm(rows, axis=1, keepdims=True)))


def plain_answers(features, queries, own):
    """[(design, closeness)] by loops, nearest first; `own` drawings are compared with nothing."""
    best = {}
    for path, row in features.items():
        if path not in own:
            design = os.path.dirname(path) or path
            best.setdefault(design, []).append([float(query @ row) for query in queries])
    return sorted(((name, np.mean(np.max(rows, axis=0))) for name, rows in best.items()), key=lambda answer: -answer[1])


def test_two_views_are_one_query(find, folder, features, tmp_path):
    before = sorted(path for path in folder.rglob("*"))
    for name in ("0", "2"):
        shutil.copy(folder / f"deep/d3/{name}.png", tmp_path / f"work/{name}.png")
    status, out, _ = find("0.png", "2.png", "--in", folder, "--csv", "a.csv", "--json", "a.json")
    assert status == 0 and f"{folder}: 20 drawings of 7 designs, all searched" in out
    assert "features: 0 cached, 22 extracted" in out and "written: a.csv, a.json, found.html" in out
    expected = plain_answers(features, [features["deep/d3/0.png"], features["deep/d3/2.png"]], ())
    stored = json.loads(Path("a.json").read_text())
    (query,) = stored["queries"]
    assert (stored["drawings"], stored["designs"], query["query"]) == (20, 7, "0.png, 2.png")
    assert [answer["design"] for answer in query["answers"]] == [design for design, _ in expected] and len(expected) == 7
    assert expected[0][0] == "deep/d3" and not query["answers"][0]["has_query"]
    with open("a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, answer, (design, closeness) in zip(rows, query["answers"], expected, strict=True):
        assert row["design"] == design and float(row["closeness"]) == answer["closeness"] == pytest.approx(
            closeness, abs=1e-5
        )
        assert float(row["percentile"]) == answer["percentile"] and design in out and f"{closeness:.3f}" in out
    page = Path("found.html").read_text()
    assert page.count("<img ") == 22 and all(f". {design}<small>" in page for design, _ in expected)
    assert sorted(path for path in folder.rglob("*")) == before


def test_a_drawing_of_the_folder_is_not_compared_with_itself(find, folder, features):
    query = folder / "d1/2.png"
    os.link(query, "linked.png")  # the same file by another name
    for word in (query, "linked.png"):
        status, out, _ = find(word, "--in", folder, "--top", 3)
        assert status == 0
        found = re.findall(r"^ *(\d+) +(-?\d\.\d{3}) +[\d.]+ % +(\S+) +\d+ *(contains the query)?", out, re.MULTILINE)
        expected = plain_answers(features, [features["d1/2.png"]], ["d1/2.png"])[:3]
        assert [(name, score) for _, score, name, _ in found] == [(name, f"{score:.3f}") for name, score in expected]
        assert {name for *_, name, note in found if note} <= {"d1"} and "contains the query" in out


def test_again_nothing_is_extracted_and_nothing_is_overwritten(find, folder, tmp_path):
    words = folder / "d0/0.png", "--in", folder
    first = find(*words)[1]
    again = find(*words)[1]
    assert "features: 20 cached, 0 extracted" in again and "found-2.html" in again and "found.html" in first
    assert first.split("query: ")[1].split("written")[0] == again.split("query: ")[1].split("written")[0]
    assert "features: 0 cached, 20 extracted" in find(*words, "--cache", tmp_path / "other")[1]
    assert "features:" not in find(*words, settings=(*HOG, "TEST.CACHE_FEATURES", "False"))[1]
    for option in ("--csv", "--json", "--page"):
        Path("mine").write_text("mine")
        status, _, err = find(*words, option, "mine")
        assert status == 1 and f"error: {option} mine: is there already, and nothing is overwritten" in err
    assert Path("mine").read_text() == "mine"


def test_a_folder_of_queries(find, folder, features, tmp_path):
    """A subfolder is one query, a loose drawing another; broken drawings are skipped."""
    (tmp_path / "queries/sub").mkdir(parents=True)
    for source, name in (("d0/1.png", "sub/a.png"), ("d0/3.png", "sub/b.png"), ("l1.png", "x.png")):
        shutil.copy(folder / source, tmp_path / "queries" / name)
    (tmp_path / "queries/broken.png").write_text("broken")
    status, out, err = find("../queries", "--in", folder, "--json", "a.json", "--top", "2")
    assert status == 0 and "query: sub\n" in out and "query broken.png: cannot be read, and is skipped" in err
    sub, loose = json.loads(Path("a.json").read_text())["queries"]
    assert sub["query"] == "sub" and loose["query"] == "x.png" and len(sub["views"]) == 2
    for query, names in ((sub, ("d0/1.png", "d0/3.png")), (loose, ("l1.png",))):
        expected = plain_answers(features, [features[name] for name in names], ())[:2]
        assert [answer["design"] for answer in query["answers"]] == [design for design, _ in expected]
    assert Path("found.html").read_text().count("<h2>Query: ") == 2


def test_unreadable_drawings_are_named_and_skipped(find, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "some")
    for name in ("d0/0.png", "d0/1.png", "d0/2.png", "l1.png"):
        (tmp_path / "some" / name).write_text("broken")
    for _ in range(2):
        status, out, err = find(folder / "d1/1.png", "--in", tmp_path / "some")
        assert status == 0 and "16 drawings of 6 designs" in out
        assert "d0/1.png: cannot be read as a drawing" in err and "4 images cannot be read and are not found" in err


def test_the_network_in_the_box_needs_no_configuration(find, folder):
    if not os.path.exists(WEIGHTS):
        pytest.skip("the weights of the network in the box are not here")
    status, out, err = find(
        folder / "d1/1.png", "--in", folder, settings=("MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0")
    )
    assert status == 0 and " d1 " in out and "found.html" in out, err
    status, _, err = find("--text", "a kettle", "--in", folder, settings=("MODEL.DEVICE", "cpu"))
    assert status == 1 and "reads no text; use a PatentCLIP" in err


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--in", "IN"], "give the drawings to search with: fastpatent find DRAWING... --in FOLDER"),
        (["IN/l1.png"], "l1.png: say where to search for it, by --in FOLDER"),
        (["no.png", "--in", "IN"], "no.png: no such drawing"),
        (["a.pdf", "--in", "IN"], "a.pdf: cannot be read as a drawing: it is a PDF, not an image; `pdfimages -png"),
        (["a.txt", "--in", "IN"], "a.txt: cannot be read as a drawing"),
        (["IN/l1.png", "--in", "no"], "no: there is no such folder of drawings"),
        (
            ["IN/l1.png", "--in", "empty"],
            "--in empty: there is no image in this folder; skipped: 1 x no image by its name (.pdf)",
        ),
        (["IN/l1.png", "--in", "one"], "--in one: there is only one image in this folder; a search needs two or more"),
        (["IN/l1.png", "--in", "broken"], "no image in this folder can be read"),
        (["IN/l1.png", "IN/d1", "--in", "IN"], "d1: is a folder; name one folder of queries, or drawings"),
        (["empty", "--in", "IN"], "empty: there is no image in this folder"),
        (["IN/l1.png", "--in", "links"], "leads out of the data"),
        (["IN/l1.png", "--in", "IN", "--top", "0"], "--top: 0 is below 1"),
        (["IN/l1.png", "--in", "IN", "--page", "no/a.html"], "--page no/a.html: there is no folder no"),
        (["--text", "a", "--in", "IN"], "hog reads no text; use a PatentCLIP"),
        (["IN/l1.png", "--in", "IN", "DESCRIPTOR.NAM", "hog"], "DESCRIPTOR.NAM is no key"),
    ],
)
def test_mistakes_are_one_sentence(words, sentence, find, folder, tmp_path):
    Path("a.pdf").write_bytes(b"%PDF-1.7\n")
    Path("a.txt").write_text("text")
    for name in ("empty", "one", "links", "broken"):
        Path(name).mkdir()
    shutil.copy("a.pdf", "empty")
    for name in ("one/1.png", "links/1.png"):
        shutil.copy(folder / "l1.png", name)
    Path("links/2.png").symlink_to(folder / "l2.png")
    for name in "ab":
        Image.new("L", (9, 9)).save(f"broken/{name}.png")
        os.truncate(f"broken/{name}.png", 40)
    status, _, err = find(*(word.replace("IN", str(folder), 1) if word.startswith("IN") else word for word in words))
    assert status == 1 and sentence in err and "Traceback" not in err
    assert err.count("error: ") == 1 and not list(Path().glob("*.html"))
