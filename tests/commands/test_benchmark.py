"""`fastpatent benchmark` on a few patents in DeepPatent's layout: networks, descriptors, and what goes wrong with them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features
from fastpatent.models import build_model
from tests.network_configs import CONFIGS
from tests.polygons import draw_polygons

pytestmark = pytest.mark.slow

TESTED, TRAINED, VIEWS = 14, 6, 4
NETWORK = {"BACKBONE": {"NAME": "timm", "TIMM_NAME": "test_convnext", "DROP_PATH_RATIO": 0.0}, "DEVICE": "cpu"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Patents of four drawings; of the tested ones D00002 is the query, and D00000 is the same drawing as D00001."""
    monkeypatch.chdir(tmp_path)
    lists = {"test_query_patent": [], "test_db_patent": [], "train_patent_trn": []}
    sheets = {}
    for design, view, sheet in draw_polygons(TESTED + TRAINED, VIEWS):
        patent = f"USD{design:07d}-20200107"
        path = f"I20200107/{patent}/{patent}-D{view:05d}.png"
        sheets[design, view] = sheet
        drawing = Path("data/train_data/patent_data", path)
        drawing.parent.mkdir(parents=True, exist_ok=True)
        (sheets[design, 0] if view == 1 else sheet).save(drawing)
        part = "train_patent_trn" if design >= TESTED else "test_query_patent" if view == 2 else "test_db_patent"
        lists[part].append(f"{path} {design}")
    for name, lines in lists.items():
        Path(f"data/train_data/{name}.txt").write_text("\n".join(lines))
    torch.manual_seed(0)
    data = {"ROOT": "data", "NAMES": ["Patent"], "TESTS": ["DeepPatentTest"]}
    common = {"DATALOADER": {"NUM_WORKERS": 0}, "INPUT": {"SIZE_TEST": [32, 32]}}
    write("net.yml", {"MODEL": NETWORK | {"WEIGHTS": "net.pth"}, "TEST": {"AQE": {"ENABLED": True, "QE_K": 2}}} | common)
    cfg = load_config("net.yml", ["MODEL.HEADS.NUM_CLASSES", "2"])
    torch.save({"model": build_model(cfg).state_dict()}, "net.pth")
    write("run/config.yaml", {"MODEL": NETWORK} | common)
    Path("run/model_best.pth").write_bytes(Path("net.pth").read_bytes())
    for name in ("hog", "stroke_style", "vishash"):
        write(f"{name}.yml", {"DESCRIPTOR": {"NAME": name}} | common)
    write("unreleased.yml", {"MODEL": NETWORK | {"WEIGHTS": "unreleased.pth"}} | common)
    names = ["net.yml", "hog.yml", "vishash.yml", "unreleased.yml"]
    systems = {"SYSTEMS": names, "LOGS": ".", "DISTRACTORS": ["Patent"], "RESAMPLES": 50}
    write("all.yml", {"DATASETS": data, "BENCHMARK": systems, "MODEL": {"DEVICE": "cpu"}, "OUTPUT_DIR": "out"})
    return tmp_path


def write(name, settings):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(yaml.safe_dump(settings))


def run(*words):
    return main(["benchmark", "--config-file", "all.yml", *words])


def test_table_figures_and_page_from_one_command(folder, capfd):
    assert run() == 0, capfd.readouterr().err
    out = Path("out/DeepPatentTest")
    names = {"benchmark.md", "benchmark.csv", "benchmark.json", "benchmark.html", "growth.png", "map_t-sne.png"}
    assert {path.name for path in out.iterdir()} >= names | {"gallery_best.png", "gallery_worst.png"}
    for picture in out.glob("*.png"):
        assert Image.open(picture).getextrema() != ((255, 255),) * 3, picture
    found = json.loads((out / "benchmark.json").read_text())
    by_name = {result["system"]: result for result in found["results"]}
    assert set(by_name) == {"net", "net + query expansion (k 2)", "hog", "vishash", "run"}
    assert found["missing"] == [{"system": "unreleased", "why": "MODEL.WEIGHTS names no file: 'unreleased.pth'"}]
    assert found["published"] == [] and found["counts"]["front pages"] == TESTED
    splits = load_test_set(load_config("all.yml"), "DeepPatentTest")
    drawings = [*splits.query, *splits.gallery]
    for name in ("hog", "vishash"):
        descriptor = DESCRIPTORS.get(name)
        features = Features(name, *np.split(describe_drawings(descriptor, drawings), [TESTED]))
        expected = rank_features(features, splits, descriptor.metric).summary
        for figure in ("mAP", "Acc@1", "Acc@5", "Acc@20", "mAP@10"):
            assert by_name[name]["figures"][figure]["mean"] == pytest.approx(expected[figure], abs=1e-12), (name, figure)
        # D00001 is the same drawing as D00000, which it replaces
        assert by_name[name]["without_twin"]["Acc@1"]["mean"] == pytest.approx(expected["Acc@1"])
        assert by_name[name]["growth"]["mAP"][0] == pytest.approx(expected["mAP"], abs=1e-12)
    assert found["sizes"][0] == 3 * TESTED and found["sizes"][-1] == 3 * TESTED + VIEWS * TRAINED
    assert not by_name["net + query expansion (k 2)"]["growth"] and len(by_name["net"]["growth"]["mAP"]) == len(
        found["sizes"]
    )
    np.testing.assert_equal(by_name["run"]["figures"], by_name["net"]["figures"])  # the same weights
    with open(out / "benchmark.csv", newline="") as table:
        assert {row["system"] for row in csv.DictReader(table)} >= set(by_name)
    printed = capfd.readouterr().out
    assert "fastpatent benchmark --config-file all.yml" in (out / "benchmark.md").read_text() and "vishash" in printed
    assert (out.parent / "log.txt").read_text() in printed
    assert run() == 0
    assert "features of DeepPatentTest: cached on" in capfd.readouterr().out
    again = json.loads((out / "benchmark.json").read_text())
    assert again["results"] == found["results"]


def test_a_system_that_fails_is_reported_and_the_others_are_measured(folder, capfd):
    Path("run/model_best.pth").write_bytes(b"damaged")
    write("clip/config.yaml", {"MODEL": {"META_ARCHITECTURE": "PatentCLIP", "CLIP": {"NAME": "none.json"}}})
    write("large/config.yaml", {"MODEL": NETWORK | {"HEADS": {"EMBEDDING_DIM": 10**5, "NUM_CLASSES": 10**8}}})
    for name in ("clip", "large"):
        Path(name, "model_best.pth").write_bytes(Path("net.pth").read_bytes())
    assert run("BENCHMARK.SYSTEMS", "['hog.yml']") == 1
    found = json.loads(Path("out/DeepPatentTest/benchmark.json").read_text())
    assert [result["system"] for result in found["results"]] == ["hog"]
    why = {missing["system"]: missing["why"] for missing in found["missing"]}
    assert (
        why.keys() == {"clip", "large", "run"} and why["run"] == "run/model_best.pth: is a text file, which has no weights"
    )
    assert why["clip"].startswith("MODEL.CLIP.NAME: none.json") and why["large"]
    assert "not measured" in capfd.readouterr().out


def test_mistakes_are_one_sentence(folder, capfd):
    for words, sentence in (
        (("BENCHMARK.SYSTEMS", "['hgo.yml']"), "BENCHMARK.SYSTEMS: there is no file hgo.yml"),
        (("BENCHMARK.SYSTEMS", "['unreleased.yml']", "BENCHMARK.LOGS", ""), "no system could be measured; unreleased"),
        (("DATASETS.TESTS", "['DeepPatentTestPlain']"), "no list test_query_plain.txt"),
        (("BENCHMARK.DISTRACTORS", "['DeepPatentTest']"), "BENCHMARK.DISTRACTORS: DeepPatentTest add no drawing"),
        (("BENCHMARK.RESAMPLES", "0"), "BENCHMARK.RESAMPLES must be between 1 and 1000000"),
    ):
        assert run(*words) == 1, words
        error = capfd.readouterr().err
        assert sentence in error and "Traceback" not in error, words


@pytest.mark.parametrize("path", sorted((CONFIGS / "descriptors").glob("[a-z]*.yml")), ids=lambda path: path.stem)
def test_every_descriptor_of_configs_ranks(path, folder, capfd):
    small = ["DATASETS.ROOT", "data", "DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", "out"]
    small += ["DESCRIPTOR.VOCABULARY.WORDS", "2", "DESCRIPTOR.VOCABULARY.DIM", "8", "DESCRIPTOR.VOCABULARY.DRAWINGS", "20"]
    assert main(["test", "--config-file", str(path), *small]) == 0, capfd.readouterr().err
    assert np.load("result.npy").shape == (TESTED, 10)
    assert path.stem in capfd.readouterr().out
    extract = ["extract", "--config-file", str(path), "--images", "data", "--output", "f.npz"]
    assert main([*extract, *small]) == 0, capfd.readouterr().err
    first = load_test_set(load_config("all.yml"), "DeepPatentTest").query[0].path
    with np.load("f.npz") as found:
        (place,) = np.flatnonzero([first.endswith(str(name)) for name in found["paths"]])
        np.testing.assert_array_equal(found["features"][place], np.load("out/features/DeepPatentTest.npy")[0])


def test_features_by_an_older_vocabulary_are_not_used(folder, capfd):
    words = [
        "test",
        "--config-file",
        str(CONFIGS / "descriptors/sift_fisher.yml"),
        "DATASETS.ROOT",
        "data",
        "OUTPUT_DIR",
        "out",
    ]
    words += ["DATALOADER.NUM_WORKERS", "0", "DESCRIPTOR.VOCABULARY.DIM", "8", "DESCRIPTOR.VOCABULARY.WORDS"]
    sizes = []
    for size in ("2", "2", "3"):
        assert main([*words, size]) == 0, capfd.readouterr().err
        printed = capfd.readouterr().out
        sizes.append(np.load("out/features/DeepPatentTest.npy").shape[1])
        assert ("cached on" in printed) == (len(sizes) == 2)
    assert sizes[0] == sizes[1] < sizes[2]


def test_every_file_of_a_benchmark_is_there(monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    for path in sorted((CONFIGS / "benchmark").glob("*.yml")):
        systems = load_config(path).BENCHMARK.SYSTEMS
        assert systems, path
        for file in systems:
            load_config(file)
