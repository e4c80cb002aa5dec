"""`fastpatent test` with whitening and ensembles and `fastpatent export`, on small untrained networks."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sklearn.decomposition import PCA

import fastpatent
from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set
from fastpatent.models import build_model
from tests.polygons import write_designs

NETWORKS = {"first": "test_resnet", "second": "test_efficientnet"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with ten designs of four drawings, and two networks and their configurations."""
    monkeypatch.chdir(tmp_path)
    write_designs(tmp_path / "designs", 10)
    for seed, (name, timm_name) in enumerate(NETWORKS.items()):
        torch.manual_seed(seed)
        settings = {
            "MODEL": {
                "BACKBONE": {"NAME": "timm", "TIMM_NAME": timm_name, "DROP_PATH_RATIO": 0.0},
                "WEIGHTS": f"{name}.pth",
                "DEVICE": "cpu",
            },
            "DATASETS": {"ROOT": "designs", "NAMES": ["Drawings"], "TESTS": ["Drawings"], "DRAWINGS": {"VAL_FRACTION": 0.6}},
            "INPUT": {"SIZE_TEST": [32, 32 + 32 * seed]},
            "DATALOADER": {"NUM_WORKERS": 0},
            "OUTPUT_DIR": f"logs/{name}",
            "TEST": {"REPORT": False},
        }
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(settings))
        cfg = load_config(tmp_path / f"{name}.yml", ["MODEL.HEADS.NUM_CLASSES", "2"])
        torch.save({"model": build_model(cfg).state_dict()}, tmp_path / f"{name}.pth")
    return tmp_path


def unit(rows):
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def assert_ranked_by(cosine, ranking):
    """Compare up to places that differ by less than float32 can tell."""
    chosen = np.take_along_axis(cosine, ranking, axis=1)
    np.testing.assert_allclose(chosen, -np.sort(-cosine, axis=1)[:, : ranking.shape[1]], atol=1e-5)


def cached(folder, name, of="Drawings"):
    return np.load(folder / "logs" / name / "features" / f"{of}.npy")


def test_whitening_is_learned_on_training_drawings_and_has_a_row_of_its_own(folder, monkeypatch, capfd):
    words = ["--config-file", "first.yml", "TEST.WHITENING.ENABLED", "True", "TEST.WHITENING.DIM", "8"]
    words += ["TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "1"]  # the mean over itself changes nothing
    assert main(["test", *words]) == 0
    printed = capfd.readouterr().out
    systems = [line.partition("  ")[0] for line in printed.splitlines() if line.startswith("network")]
    assert systems == [
        "network",
        "network + whitening",
        "network + whitening + query expansion",
    ]  # the table breaks the line
    training, test = cached(folder, "first", "Drawings-whitening"), cached(folder, "first")
    splits = load_test_set(load_config("first.yml"), "Drawings")
    assert len(training) == 16 and len(test) == 24
    white = unit(PCA(8, whiten=True, svd_solver="full").fit(unit(training)).transform(unit(test)))
    queries = len(splits.query)
    assert_ranked_by(white[:queries] @ white[queries:].T, np.load("logs/first/result.npy"))
    monkeypatch.setattr("fastpatent.evaluation.extractor.load_trained", None)
    assert main(["test", *words]) == 0  # both sets of features are cached
    assert "features of Drawings-whitening: cached on" in capfd.readouterr().out


@pytest.fixture
def both(folder):
    """The name of the configuration of both networks."""
    settings = {
        "MODEL": {"DEVICE": "cpu"},
        "DATASETS": {"ROOT": "designs", "TESTS": ["Drawings"], "DRAWINGS": {"VAL_FRACTION": 0.6}},
        "TEST": {"ENSEMBLE": {"CONFIGS": ["first.yml", "second.yml"], "WEIGHTS": [1.0, 4.0]}, "RERANK": {"ENABLED": True}},
        "OUTPUT_DIR": "logs/both",
    }
    (folder / "both.yml").write_text(yaml.safe_dump(settings))
    return "both.yml"


def test_an_ensemble_ranks_by_the_weighted_mean_of_cosines(folder, both, capfd):
    assert main(["test", "--config-file", both, "TEST.RERANK.LAMBDA", "1.0"]) == 0  # 1: by cosine alone
    printed = capfd.readouterr().out
    for row in ("first.yml  ", "second.yml  ", "ensemble of 2  ", "ensemble of 2 + re-ranking"):
        assert any(line.startswith(row) for line in printed.splitlines()), row
    first, second = (unit(cached(folder, name)) for name in NETWORKS)
    cosine = (first @ first.T + 4 * second @ second.T) / 5
    queries = len(load_test_set(load_config("first.yml"), "Drawings").query)
    assert_ranked_by(cosine[:queries, queries:], np.load("logs/both/result.npy"))


def table(printed):
    """The table of metrics in the output of a command, and its number of rows."""
    found = printed[printed.index("system ") :].split("written: ")[0].rstrip()
    return found, sum(" in " in line and "Drawings" in line for line in found.splitlines()[2:])


def test_both_commands_print_the_same_table_of_a_whitened_network_and_of_an_ensemble(folder, both, capfd):
    whitened = ["first.yml", "TEST.WHITENING.ENABLED", "True", "TEST.WHITENING.DIM", "8", "TEST.AQE.ENABLED", "True"]
    for words, rows in ((whitened, 3), ([both], 4)):
        found = []
        for job in ("train", "test"):
            assert main([job, "--eval-only", "--config-file", *words]) == 0, capfd.readouterr().err
            found.append(table(capfd.readouterr().out))
            shutil.rmtree("logs")  # with the cached features
        assert found[0] == found[1] and found[0][1] == rows, words


def test_mistakes_are_one_sentence(folder, capfd):
    for words, sentence in (
        (["TEST.ENSEMBLE.CONFIGS", "['first.yml','gone.yml']"], "TEST.ENSEMBLE.CONFIGS: there is no file gone.yml"),
        (["TEST.WHITENING.ENABLED", "True", "TEST.WHITENING.DIM", "40"], "there are 16"),
        (["TEST.WHITENING.ENABLED", "True", "DATASETS.NAMES", "('Drawing',)"], "did you mean Drawings"),
    ):
        assert main(["test", "--config-file", "first.yml", *words]) == 1, words
        error = capfd.readouterr().err
        assert sentence in error and "Traceback" not in error, words


@pytest.mark.slow
def test_export_of_fitted_images_writes_what_extraction_computes(folder, capfd):
    onnxruntime = pytest.importorskip("onnxruntime", reason="fastpatent[export] is not installed")
    views = ["TEST.FLIP.ENABLED", "True", "TEST.TURNS", "True"]
    assert main(["export", "--fitted", "--config-file", "first.yml", "--output", "m.onnx", *views]) == 0
    assert "m.onnx: images uint8 [batch, 1, 32, 32] -> features float32 [batch, dim]" in capfd.readouterr().out
    session = onnxruntime.InferenceSession("m.onnx")
    about = session.get_modelmeta().custom_metadata_map
    digest = hashlib.sha256((folder / "first.pth").read_bytes()).hexdigest()
    assert (about["fastpatent"], about["weights_sha256"]) == (fastpatent.__version__, digest)
    (folder / "again.yml").write_text(about["configuration"])
    assert load_config("again.yml").INPUT.SIZE_TEST == [32, 32]
    assert main(["extract", "--config-file", "again.yml", "--images", "designs", "--output", "f.npz"]) == 0
    with np.load("f.npz") as stored:
        drawings = [
            Image.open(folder / "designs" / path).resize((32, 32), Image.Resampling.BICUBIC) for path in stored["paths"]
        ]
        found = session.run(None, {"images": np.stack([np.asarray(drawing)[None] for drawing in drawings])})[0]
        np.testing.assert_allclose(found, stored["features"], rtol=1e-3, atol=1e-3 * np.abs(stored["features"]).max())


def test_export_into_a_folder_that_is_missing(folder, capfd):
    assert main(["export", "--config-file", "first.yml", "--output", "nowhere/m.onnx"]) == 1
    assert "--output nowhere/m.onnx: there is no folder nowhere" in capfd.readouterr().err
