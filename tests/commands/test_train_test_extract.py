"""The three commands on a small folder of drawings, as a person would run them."""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.commands import main
from fastpatent.commands.test import _evaluate, _warn_of_better
from fastpatent.config import load_config
from fastpatent.data.image import open_drawing
from fastpatent.data.image_files import find_drawings
from fastpatent.data.load_datasets import load_test_set
from fastpatent.data.records import Splits
from fastpatent.evaluation.pipeline import SetResult
from fastpatent.evaluation.results import read_results
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights
from tests.polygons import write_designs

SETTINGS = [
    "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.5",
    "MODEL.DEVICE", "cpu", "MODEL.BACKBONE.DEPTH", "18x", "MODEL.HEADS.WITH_BNNECK", "True",
    "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]",
    "DATALOADER.NUM_WORKERS", "0", "DATALOADER.NUM_INSTANCE", "2",
    "DATALOADER.SAMPLER_TRAIN", "NaiveIdentitySampler", "SOLVER.IMS_PER_BATCH", "8", "SOLVER.MAX_EPOCH", "2",
    "SOLVER.WARMUP_ITERS", "0", "TEST.EVAL_PERIOD", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run on ten designs of four drawings: (folder of drawings, folder of the run)."""
    root, logs = tmp_path_factory.mktemp("designs"), tmp_path_factory.mktemp("logs")
    write_designs(root, 10, widen=1)
    assert main(["train", "DATASETS.ROOT", str(root), "OUTPUT_DIR", str(logs), *SETTINGS]) == 0
    return root, logs


def command(name, run, *options):
    root, logs = run
    weights = ["MODEL.WEIGHTS", str(logs / "model_best.pth")]
    return main([name, *options, "DATASETS.ROOT", str(root), "OUTPUT_DIR", str(logs / name), *SETTINGS, *weights])


def test_training_writes_all_files_of_a_run(run):
    _, logs = run
    names = {path.name for path in logs.iterdir()}
    written = {"model_best.pth", "model_final.pth", "last_checkpoint", "config.yaml", "log.txt", "run.json", "history.jsonl"}
    assert written <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert load_config(logs / "config.yaml").SOLVER.MAX_EPOCH == 2
    log = (logs / "log.txt").read_text()
    for line in ("training set  Drawings: 20 images of 5 identities", "device        cpu (MODEL.DEVICE)", "best mAP "):
        assert f"\n{line}" in log
    assert "pretrained    none: the network starts from random weights\n" in log


def plain_features(run, splits):
    """Query and gallery features, one drawing at a time, in float64."""
    cfg = load_config(overrides=SETTINGS).clone()
    cfg.defrost()
    cfg.MODEL.HEADS.NUM_CLASSES = 5
    model = build_model(cfg)
    load_weights(model, run[1] / "model_best.pth")
    model.double().eval()
    rows = []
    for sample in (*splits.query, *splits.gallery):
        small = np.asarray(open_drawing(sample.path).resize((32, 32), Image.Resampling.BICUBIC))
        grey = torch.from_numpy(small.copy()).double().expand(1, 3, 32, 32)
        rows.append(model.heads(model.backbone((grey - model.pixel_mean) / model.pixel_std))[0].detach().numpy())
    features = np.stack(rows)
    return features[: len(splits.query)], features[len(splits.query) :]


def test_the_submission_is_the_ranking_of_a_plain_computation(run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert command("test", run, "--eval-only", "--compare", "pixels") == 0
    splits = load_test_set(load_config(overrides=["DATASETS.ROOT", str(run[0]), *SETTINGS]), "Drawings")
    query, gallery = plain_features(run, splits)
    query, gallery = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, gallery))
    cosine = query @ gallery.T
    result = np.load(run[1] / "test" / "result.npy")
    assert not Path("result.npy").exists()  # where a submission for the challenge's lists may lie
    assert result.dtype == np.int64 and result.shape == (len(query), 10)
    # equal up to places that differ by less than float32 can tell
    chosen = np.take_along_axis(cosine, result, axis=1)
    np.testing.assert_allclose(chosen, -np.sort(-cosine, axis=1)[:, : result.shape[1]], atol=2e-6)
    with zipfile.ZipFile(run[1] / "test" / "result.zip") as packed:
        assert packed.namelist() == ["result.npy"]
    hit = np.mean([splits.gallery[row[0]].identity == sample.identity for row, sample in zip(result, splits.query)])
    printed = capfd.readouterr().out
    assert f"{hit:.4f}" in printed and "pixels + cosine" in printed
    assert (run[1] / "test" / "gallery_Drawings.html").is_file()
    written = read_results(run[1] / "test")
    assert written["sha256"] == hashlib.sha256((run[1] / "model_best.pth").read_bytes()).hexdigest()
    assert written["tests"]["Drawings"]["Acc@1"] == hit
    assert [row["system"] for row in written["rows"]] == ["network", "pixels + cosine"]
    assert written["rows"][0]["metrics"] == written["tests"]["Drawings"]
    low, high = written["rows"][0]["intervals"]["Acc@1"]
    assert low <= hit <= high


@pytest.mark.parametrize("others, warned", [((0.4,), []), ((0.4, 0.5, 0.6), ["b", "c"]), ((), [])])
def test_a_descriptor_that_reaches_the_network_is_a_warning(others, warned, caplog):
    def result(name, value):
        return SetResult(Splits("own", [], [], []), [SimpleNamespace(name=name, summary={"mAP": value})], [])

    _warn_of_better(result("network", 0.5), *map(result, "abc", others))
    assert [record.message.split(", ")[0] for record in caplog.records] == [f"own: {name}" for name in warned]


def test_a_descriptor_of_the_configuration_whose_package_is_missing_is_skipped(caplog):
    def evaluate(*_, **__):
        raise ModuleNotFoundError(name="skimage")

    system, splits = SimpleNamespace(evaluate=evaluate, members=[SimpleNamespace(name="hog")]), Splits("own", [], [], [])
    assert _evaluate(system, splits, asked=False) is None
    assert "hog is skipped: this needs the package skimage: pip install 'fastpatent[descriptors]'" in caplog.text
    with pytest.raises(ModuleNotFoundError):
        _evaluate(system, splits)


@pytest.fixture(scope="module")
def tested(run):
    """The settings of a test whose features are cached."""
    root, logs = run
    places = ["DATASETS.ROOT", str(root), "OUTPUT_DIR", str(logs / "cached"), "MODEL.WEIGHTS", str(logs / "model_best.pth")]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(logs)
        assert main(["test", *SETTINGS, *places, "TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "2"]) == 0
    assert np.load(logs / "cached" / "features" / "Drawings.npy").shape == (20, 512)
    return [*SETTINGS, *places]


def test_another_expansion_needs_no_network_and_ranks_as_a_fresh_run(tested, run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    result = run[1] / "cached" / "result.npy"
    words = [*tested, "TEST.AQE.ENABLED", "True", "TEST.AQE.QE_K", "4"]
    assert main(["test", *words, "TEST.CACHE_FEATURES", "False"]) == 0
    fresh, printed = np.load(result), capfd.readouterr().out
    assert "features of Drawings" not in printed and "images of Drawings: decoded each time" in printed
    with monkeypatch.context() as patched:
        patched.setattr("fastpatent.evaluation.extractor.load_trained", None)
        assert main(["test", *words]) == 0
    np.testing.assert_array_equal(np.load(result), fresh)
    again = capfd.readouterr().out
    assert "cached on" in again and "query expansion (k 4)" in again
    rows = [[line for line in text.splitlines() if line.startswith("network")] for text in (printed, again)]
    assert len(rows[0]) == 2 and rows[0] == rows[1]


def test_cached_features_hide_no_mistake(tested, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for options, sentence in (
        (["MODEL.WEIGHTS", "nowhere.pth"], "nowhere.pth"),
        (["MODEL.WEIGHTS", ""], "MODEL.WEIGHTS is empty"),
        (["MODEL.BACKBONE.DEPTH", "50x"], "another network"),
        (["MODEL.LOSSES.NAME", "('TripletLos',)"], "did you mean TripletLoss"),
        (["MODEL.HEADS.CLS_LAYER", "CircleSoftmx"], "did you mean CircleSoftmax"),
        (["TEST.RERANK.LAMBDA", "3"], "TEST.RERANK.LAMBDA"),
    ):
        assert main(["test", *tested, *options]) == 1, options
        error = capfd.readouterr().err
        assert sentence in error and "Traceback" not in error, options


def test_extraction_covers_a_folder_in_sorted_order(run, tmp_path):
    output = tmp_path / "features.npz"
    assert command("extract", run, "--images", str(run[0]), "--output", str(output)) == 0
    with np.load(output) as stored:
        features, paths = stored["features"], stored["paths"]
    assert features.dtype == np.float32 and features.shape == (40, 512)
    assert paths.tolist() == sorted(f"d{identity}/{number}.png" for identity in range(10) for number in range(4))


def test_the_configuration_of_a_run_finds_its_weights(run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    root, logs = run
    images, config = ["--images", str(root)], ["--config-file", str(logs / "config.yaml")]
    assert command("extract", run, *images, "--output", "f.npz") == 0
    assert "weights:" not in capfd.readouterr().out
    assert main(["extract", *config, *images, "--output", "g.npz"]) == 0
    assert f"weights: {logs / 'model_best.pth'}, beside the configuration\n" in capfd.readouterr().out
    np.testing.assert_array_equal(*(np.load(name)["features"] for name in ("f.npz", "g.npz")))


def test_what_cannot_be_extracted(run, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    for images, output, sentence in (
        (tmp_path / "empty", "f.npz", "empty: there is no image in this folder"),
        (run[0], tmp_path / "nowhere/f.npz", "nowhere/f.npz: there is no folder"),
        (run[0], tmp_path / "empty", "empty: is a folder; name a file"),
        (run[0], run[0] / "d0/0.png", "0.png: this file is there already and was not written by this command"),
    ):
        assert command("extract", run, "--images", str(images), "--output", str(output)) == 1
        assert sentence in capfd.readouterr().err


def test_lower_precisions_stay_near(run, tmp_path):
    rows = {}
    for name in ("fp32", "bf16", "fp16"):
        output = tmp_path / f"{name}.npz"
        root, logs = run
        settings = [*SETTINGS, "MODEL.WEIGHTS", str(logs / "model_best.pth"), "TEST.PRECISION", name]
        assert main(["extract", "--images", str(root), "--output", str(output), *settings]) == 0
        with np.load(output) as stored:
            rows[name] = stored["features"] - stored["features"].mean(0)
    for name, tolerance in (("bf16", 0.1), ("fp16", 0.02)):
        difference = np.linalg.norm(rows[name] - rows["fp32"]) / np.linalg.norm(rows["fp32"])
        assert 0 < difference < tolerance, name


def test_flip_testing_averages_with_the_mirror(run, tmp_path):
    mirrored = tmp_path / "mirrored"
    mirrored.mkdir()
    for path in (run[0] / "d0").iterdir():
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored / path.name)
    found = {}
    for name, folder, flip in (("plain", run[0] / "d0", False), ("mirror", mirrored, False), ("both", run[0] / "d0", True)):
        output = tmp_path / f"{name}.npz"
        assert main(["extract", "--images", str(folder), "--output", str(output), *SETTINGS, "MODEL.WEIGHTS",
                     str(run[1] / "model_best.pth"), "TEST.FLIP.ENABLED", str(flip)]) == 0  # fmt: skip
        with np.load(output) as stored:
            found[name] = stored["features"]
    np.testing.assert_allclose(found["both"], (found["plain"] + found["mirror"]) / 2, rtol=1e-4, atol=1e-4)


def test_mistakes_are_one_sentence_and_a_failure(run, capfd):
    root, logs = run
    weights = ["MODEL.WEIGHTS", str(logs / "model_best.pth")]
    settings = ["DATASETS.ROOT", str(root), "OUTPUT_DIR", str(logs), *SETTINGS, *weights]
    for options, sentence in (
        (["--compare", "hogg"], "did you mean hog"),
        (["TEST.PRECISION", "fp8"], "TEST.PRECISION"),
        (["DATASETS.ROOT", "nowhere"], "nowhere"),
        (["SOLVER.MAX_EPOC", "3"], "did you mean SOLVER.MAX_EPOCH"),
    ):
        words = [*options, *settings] if options[0].startswith("--") else [*settings, *options]
        assert main(["test", *words]) == 1, options
        error = capfd.readouterr().err
        assert sentence in error and "Traceback" not in error, options


@pytest.fixture
def unlabelled(tmp_path):
    """The root of a test set in the challenge's layout: 4 queries and 12 gallery images without identities."""
    lists = tmp_path / "unlabelled/codalab_test_set/lists"
    lists.mkdir(parents=True)
    write_designs(lists.parent / "images", 4)
    names = [f"images/d{design}/{view}.png" for design in range(4) for view in range(4)]
    (lists / "test_queries.txt").write_text("\n".join(names[::4]))
    (lists / "test_database.txt").write_text("\n".join(name for name in names if name not in names[::4]))
    return tmp_path / "unlabelled"


def test_a_set_without_labels_is_ranked_and_not_measured(run, unlabelled, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    settings = [*SETTINGS, "MODEL.WEIGHTS", str(run[1] / "model_best.pth"), "DATASETS.ROOT", str(unlabelled)]
    settings += ["DATASETS.TESTS", "('PatentTest',)", "OUTPUT_DIR", "out"]
    assert main(["test", *settings]) == 0, capfd.readouterr().err
    assert "PatentTest 4 in 12, no labels" in capfd.readouterr().out and np.load("result.npy").shape == (4, 10)
    assert Path("out/result.npy").read_bytes() == Path("result.npy").read_bytes()
    Path("systems.yml").write_text("")
    assert main(["benchmark", *settings, "BENCHMARK.SYSTEMS", "['systems.yml']"]) == 1
    assert "DATASETS.TESTS: PatentTest has no labelled query" in capfd.readouterr().err


def test_training_with_a_test_set_without_labels_chooses_no_checkpoint(run, unlabelled, tmp_path, monkeypatch, capfd):
    (unlabelled / "designs").symlink_to(run[0])
    settings = [*SETTINGS, "DATASETS.ROOT", str(unlabelled), "DATASETS.TESTS", "('PatentTest',)", "SOLVER.MAX_EPOCH", "1"]
    settings += ["DATASETS.FOLLOW_LINKS", "True"]
    assert main(["train", "--resume", *settings, "OUTPUT_DIR", str(tmp_path / "out")]) == 0, capfd.readouterr().err
    printed = capfd.readouterr().out
    assert "epoch 1  PatentTest  no labels, no metrics" in printed and "best mAP" not in printed
    assert f"--resume: no checkpoint in {tmp_path / 'out'} yet, training starts from the beginning" in printed
    assert (tmp_path / "out/model_final.pth").is_file() and not (tmp_path / "out/model_best.pth").exists()


def test_a_gallery_that_is_too_small_for_a_submission(run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_designs(tmp_path / "few", 4)
    assert command("test", (tmp_path / "few", run[1])) == 0, capfd.readouterr().err
    assert "no submission: it has 10 columns, the gallery only 4 images" in capfd.readouterr().out
    assert not (tmp_path / "result.npy").exists()


def test_training_refuses_a_descriptor_and_a_metric_of_texts(run, tmp_path, capfd):
    root, _ = run
    for options, sentence in (
        (["DESCRIPTOR.NAME", "hog"], "DESCRIPTOR.NAME: hog is not a network"),
        (["TEST.BEST_METRIC", "mean-R"], "TEST.BEST_METRIC: mean-R is measured on texts, which Baseline does not read"),
    ):
        assert main(["train", "DATASETS.ROOT", str(root), "OUTPUT_DIR", str(tmp_path), *SETTINGS, *options]) == 1
        assert sentence in capfd.readouterr().err
        assert not (tmp_path / "model_final.pth").exists(), options


def test_a_truncated_drawing_is_named(run, tmp_path, capfd):
    bad = tmp_path / "bad"
    bad.mkdir()
    whole = (run[0] / "d0" / "0.png").read_bytes()
    (bad / "truncated.png").write_bytes(whole[: len(whole) // 2])
    assert command("extract", run, "--images", str(bad), "--output", str(tmp_path / "f.npz")) == 1
    assert "truncated.png" in capfd.readouterr().err
    assert not (tmp_path / "f.npz").exists()


@pytest.fixture
def broken_run(run, tmp_path):
    """The run on a copy of its drawings, of which one query is empty, and one more has a name that is not UTF-8."""
    root = tmp_path / "designs"
    shutil.copytree(run[0], root)
    splits = load_test_set(load_config(overrides=["DATASETS.ROOT", str(root), *SETTINGS]), "Drawings")
    Path(splits.query[0].path).write_bytes(b"")
    odd = Path(splits.gallery[0].path)
    odd.rename(odd.with_name(os.fsdecode(b"\xff.png")))
    (root / "manual.pdf").write_bytes(b"")
    return root, run[1], Path(splits.query[0].path), tmp_path


def test_extraction_leaves_out_what_cannot_be_read_and_names_it(broken_run, capfd):
    root, logs, broken, folder = broken_run
    words = [*SETTINGS, "MODEL.WEIGHTS", str(logs / "model_best.pth"), "OUTPUT_DIR", str(folder / "run")]
    assert main(["extract", "--images", str(root), "--output", str(folder / "f.npz"), *words]) == 0
    printed = capfd.readouterr()
    assert "no image by its name (.pdf): manual.pdf\n" in printed.out
    assert f"warning: {broken}: cannot be read as a drawing: the file is empty; it has no features\n" in printed.err
    assert "1 images cannot be read and are in neither `features` nor `paths`" in printed.err
    with np.load(folder / "f.npz") as stored:
        assert stored["features"].shape == (39, 512) and np.isfinite(stored["features"]).all()
        paths = list(stored["paths"])
    assert paths == [path for path in find_drawings(root)[0] if root / path != broken]
    assert any(os.fsencode(path).endswith(b"/\xff.png") for path in paths)
    for name in paths[:20]:
        (root / name).write_bytes(b"")
    assert main(["extract", "--images", str(root), "--output", str(folder / "g.npz"), *words]) == 1
    assert "DATALOADER.MAX_BROKEN allows 1 of 40 images" in capfd.readouterr().err and not (folder / "g.npz").exists()


def test_a_test_with_an_unreadable_image_says_so_in_its_table_and_writes_no_submission(broken_run, monkeypatch, capfd):
    root, logs, broken, folder = broken_run
    monkeypatch.chdir(folder)
    words = [*SETTINGS, "MODEL.WEIGHTS", str(logs / "model_best.pth"), "OUTPUT_DIR", "run", "DATASETS.ROOT", str(root)]
    assert main(["test", *words]) == 0
    printed = capfd.readouterr()
    assert "network, without 1 unreadable image " in printed.out and "warning: no submission: 1 of its images" in printed.err
    assert not (folder / "result.npy").exists() and "not cached" in printed.out
    assert r"\udcff.png" in (folder / "run/gallery_Drawings.html").read_text(encoding="utf-8")
    assert main(["test", *words, "DATALOADER.MAX_BROKEN", "0"]) == 1
    assert f"error: {broken}: cannot be read as a drawing: the file is empty\n" in capfd.readouterr().err
