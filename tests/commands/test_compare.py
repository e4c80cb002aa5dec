"""`fastpatent compare`, as a person would run it, on descriptors and a small untrained network."""

import csv
import shutil

import numpy as np
import pytest
import torch
import yaml

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.in_use import MARK
from fastpatent.data.load_datasets import load_test_set
from fastpatent.models import build_model
from tests.polygons import write_designs
from tests.small_sets import write_patent_set

DATA = {"ROOT": "designs", "NAMES": ["Drawings"], "TESTS": ["Drawings"], "DRAWINGS": {"VAL_FRACTION": 0.6}}


def write_config(path, **settings):
    """Write a configuration for the designs of `folder`, on the CPU, in this process."""
    common = {"DATASETS": DATA, "DATALOADER": {"NUM_WORKERS": 0}, "MODEL": {"DEVICE": "cpu"}}
    path.write_text((MARK if path.name == "config.yaml" else "") + "\n" + yaml.safe_dump(common | settings))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: twelve designs of four drawings, and two descriptors with folders of their own."""
    monkeypatch.chdir(tmp_path)
    write_designs(tmp_path / "designs", 12)
    for name in ("hog", "pixels"):
        write_config(tmp_path / f"{name}.yml", DESCRIPTOR={"NAME": name}, OUTPUT_DIR=f"logs/{name}")
    return tmp_path


@pytest.fixture
def compare(capfd):
    """A function of words that runs the command -> (status, output, errors)."""

    def run(*words):
        status = main(["compare", *map(str, words)])
        return status, *capfd.readouterr()

    return run


@pytest.fixture
def run_folder(folder):
    """A run as a training leaves it, moved from where it was trained."""
    run = folder / "kept/first"
    run.mkdir(parents=True)
    network = {"BACKBONE": {"NAME": "timm", "TIMM_NAME": "test_convnext", "DROP_PATH_RATIO": 0.0}, "DEVICE": "cpu"}
    write_config(run / "config.yaml", MODEL=network, INPUT={"SIZE_TEST": [32, 32]}, OUTPUT_DIR="logs/gone")
    torch.manual_seed(0)
    cfg = load_config(run / "config.yaml", ["MODEL.HEADS.NUM_CLASSES", "2"])
    torch.save({"model": build_model(cfg).state_dict()}, run / "model_best.pth")
    return run


def plain_precision(name):
    """{path of a query: AP}, by loops over the cached features of a descriptor."""
    splits = load_test_set(load_config(f"{name}.yml"), "Drawings")
    features = np.load(f"logs/{name}/features/Drawings.npy").astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    query, gallery = np.split(features, [len(splits.query)])
    found = {}
    for row, sample in enumerate(splits.query):
        order = sorted(range(len(gallery)), key=lambda other: -(query[row] @ gallery[other]))
        hits = [rank for rank, other in enumerate(order, 1) if splits.gallery[other].identity == sample.identity]
        found[sample.path] = np.mean([number / rank for number, rank in enumerate(hits, 1)])
    return found


def test_figures_of_every_query_and_cached_features(folder, compare):
    status, printed, _ = compare("hog.yml", "pixels.yml", "TEST.METRIC", "cosine")
    assert status == 0 and "AP with B: better for" in printed and "A: hog, hog (hog.yml)" in printed
    with open("compare_hog_pixels/queries.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    a, b = plain_precision("hog"), plain_precision("pixels")
    assert [str(folder / "designs" / row["query"]) for row in rows] == list(a)
    assert [float(row["AP of A"]) for row in rows] == pytest.approx(list(a.values()))
    assert [float(row["AP of B"]) for row in rows] == pytest.approx(list(b.values()))
    assert {row["view"] for row in rows} <= set("0123")
    mean = np.mean([b[path] - a[path] for path in a])
    assert f"{mean:+.4f}" in printed
    status, printed, _ = compare("--out", "elsewhere", "pixels.yml", "hog.yml")
    assert status == 0 and printed.count(": cached on") == 2 and "extracting" not in printed
    assert f"{-mean:+.4f}" in printed and (folder / "elsewhere/index.html").is_file()


def test_a_run_that_was_moved_against_a_descriptor_and_against_itself(run_folder, compare):
    status, printed, _ = compare(run_folder, "descriptors/hog", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", "hog")
    assert status == 0 and (run_folder / "features/Drawings.npy").is_file()
    assert f"A: first, network ({run_folder})" in printed
    assert (run_folder.parents[1] / "compare_first_hog/index.html").is_file()
    status, printed, _ = compare(run_folder, run_folder / "config.yaml")
    assert status == 0 and "equal for 14 (100.0%)" in printed, printed


def test_a_run_without_weights_or_half_written_is_one_sentence(run_folder, compare):
    weights = run_folder / "model_best.pth"
    contents = weights.read_bytes()
    weights.write_bytes(contents[: len(contents) // 2])
    for prepare, sentence in (
        (lambda: None, "model_best.pth: "),
        (weights.unlink, "there is neither"),
        (lambda: (run_folder / "config.yaml").write_text(f"{MARK}\nMODEL: {{DEV"), "config.yaml"),
        ((run_folder / "config.yaml").unlink, "is no run: it has no config.yaml"),
        (lambda: shutil.rmtree(run_folder), "first"),
    ):
        prepare()
        status, _, errors = compare("hog.yml", run_folder)
        *warnings, error = errors.splitlines()
        assert status == 1 and error.startswith("error: ") and sentence in error, errors
        assert all("first: the training is stopped" in warning for warning in warnings) and len(warnings) < 2


def test_other_test_sets_are_compared_on_the_shared_queries_of_the_same_gallery(folder, compare):
    for name in ("one", "two"):
        write_patent_set(folder / name)
        data = {"ROOT": name, "NAMES": ["Patent"], "TESTS": ["Patent"]}
        write_config(folder / f"{name}.yml", DATASETS=data, DESCRIPTOR={"NAME": "pixels"}, OUTPUT_DIR=f"logs/{name}")
    queries = folder / "two/train_data/val_query_patent.txt"
    queries.write_text("".join(queries.read_text().splitlines(keepends=True)[1:]))
    status, printed, errors = compare("one.yml", "two.yml")
    assert status == 0 and "compared on the 2 queries that both test sets have" in errors
    assert "2 queries of 2 patents" in printed
    status, _, errors = compare("one.yml", "two.yml", "--test-set", "DeepPatentTest")
    assert status == 0 and not errors
    gallery = folder / "two/train_data/val_db_patent.txt"
    gallery.write_text("".join(gallery.read_text().splitlines(keepends=True)[1:]))
    status, _, errors = compare("one.yml", "two.yml")
    assert status == 1 and "8 of their 9 and 8 images are shared" in errors
    assert "2 of their 3 and 2 queries are shared, train_data/patent_data/" in errors
    status, _, errors = compare("one.yml", "hog.yml")
    assert status == 1 and "0 of their" in errors and "0 queries" not in errors


def test_what_lies_there_is_not_replaced_and_words_are_checked(folder, compare):
    (folder / "compare_hog_pixels").mkdir()
    (folder / "compare_hog_pixels/queries.csv").write_text("mine")
    status, _, errors = compare("hog.yml", "pixels.yml")
    assert status == 1 and "was not written by this command" in errors
    assert (folder / "compare_hog_pixels/queries.csv").read_text() == "mine"
    for words, sentence in (
        (("default", "descriptors/hog", "DATASETS.TESTS", "[Drawings]"), "name the folder of your own drawings"),
        (("hog.yml",), "name the two to compare"),
        (("hog.yml", "pixles.yml"), "pixles.yml"),
        (("hog.yml", "pixels.yml", "DATASETS.TESTS", "[Drawing]"), "did you mean Drawings?"),
    ):
        status, _, errors = compare("--out", "new", *words)
        assert status == 1 and sentence in errors and not (folder / "new").exists(), errors
