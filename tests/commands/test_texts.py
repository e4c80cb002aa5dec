"""PatentCLIP from the command line: training on drawings and texts, test, search by texts, classification."""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.extractor import NetworkExtractor
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights
from tests.network_configs import CONFIGS
from tests.polygons import write_designs

pytestmark = pytest.mark.slow

DESIGNS = 12
THINGS = ("kettle", "lamp", "chair")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with designs, a table of their texts, a configuration, and a PatentCLIP trained on them."""
    folder = tmp_path_factory.mktemp("clip")
    write_designs(folder / "designs", DESIGNS)
    rows = [f"d{number},{THINGS[number % 3]} number {number},{THINGS[number % 3]}" for number in range(DESIGNS)]
    rows[-1] = f"d{DESIGNS - 1},,{THINGS[-1]}"  # one without a text
    (folder / "designs/texts.csv").write_text("\n".join(["id,title,category", *rows]))
    settings = {
        "MODEL": {"META_ARCHITECTURE": "PatentCLIP", "DEVICE": "cpu", "PIXEL_MEAN": [255.0], "PIXEL_STD": [64.0]},
        "INPUT": {"SIZE_TRAIN": [32, 32], "SIZE_TEST": [32, 32]},
        "DATASETS": {"ROOT": str(folder / "designs"), "NAMES": ["Drawings"], "TESTS": ["Drawings"]},
        "DATALOADER": {"NUM_WORKERS": 0},
        "SOLVER": {"OPT": "AdamW", "MAX_EPOCH": 3, "IMS_PER_BATCH": 16, "WARMUP_ITERS": 1},
        "TEST": {"EVAL_PERIOD": 1},
        "BENCHMARK": {"RESAMPLES": 20},
        "OUTPUT_DIR": str(folder / "out"),
    }
    settings["MODEL"]["CLIP"] = {"NAME": str(CONFIGS / "impact/small_pair.json"), "POSITIVES": "identity"}
    settings["DATASETS"]["DRAWINGS"] = {"VAL_FRACTION": 0.5}
    settings["DATASETS"]["CAPTIONS"] = {"TABLE": {"FILE": "texts.csv", "CLASS": "category"}}
    (folder / "clip.yml").write_text(yaml.safe_dump(settings))
    assert main(["train", "--config-file", str(folder / "clip.yml")]) == 0
    return folder


def words(run, job, *options, **keys):
    given = {"MODEL.WEIGHTS": run / "out/model_best.pth", "OUTPUT_DIR": run / job, **keys}
    pairs = (str(word) for pair in given.items() for word in pair)
    return [job, *options, "--config-file", str(run / "clip.yml"), *pairs]


@pytest.fixture(scope="module")
def embedded(run):
    """The test set, its features by the trained towers, float32 [drawings, dim], and a function from texts to features."""
    cfg = load_config(run / "clip.yml", ["MODEL.HEADS.NUM_CLASSES", "1"])
    model = build_model(cfg)
    load_weights(model, run / "out/model_best.pth")
    model.eval()
    splits = load_test_set(cfg, "Drawings")
    drawings = [*splits.query, *splits.gallery]
    pixels = [np.asarray(Image.open(s.path).resize((32, 32), Image.Resampling.BICUBIC)) for s in drawings]
    with torch.inference_mode():
        images = model(torch.from_numpy(np.stack(pixels))[:, None]).numpy()
        return splits, drawings, images, lambda texts: model.embed_texts(model.tokenize(texts)).detach().numpy()


@pytest.fixture(scope="module")
def recalls(embedded):
    """Recall at 1, 5 and 10 of the texts of the patents, each once, and of the images: two lists."""
    _, drawings, images, embed = embedded
    captioned = {row: sample for row, sample in enumerate(drawings) if sample.caption}
    by_patent = {sample.identity: sample.caption for sample in captioned.values()}
    of_images, of_texts = np.array([sample.identity for sample in captioned.values()]), np.array(list(by_patent))
    cosine = embed(list(by_patent.values())) @ images[list(captioned)].T
    found = []
    for scores, queries, gallery in ((cosine, of_texts, of_images), (cosine.T, of_images, of_texts)):
        hits = gallery[np.argsort(-scores, axis=1, kind="stable")] == queries[:, None]
        found.append([hits[:, :k].any(axis=1).mean() for k in (1, 5, 10)])
    return found


def test_training_reads_drawings_that_have_a_text(run):
    log = (run / "out/log.txt").read_text()
    assert re.search(r"training set  Drawings: (24|20) images of [56] identities", log), log
    assert "without a text: texts.csv: no title of d11" in log and "captions      0 of " in log


def test_training_logs_and_chooses_by_mean_recall(run, recalls):
    log = (run / "out/log.txt").read_text()
    logged = re.findall(r"^epoch (\d)  Drawings  mAP .*  mean-R ([\d.]+)$", log, re.MULTILINE)
    assert [epoch for epoch, _ in logged] == ["1", "2", "3"]
    chosen, best = max(logged, key=lambda row: (row[1], -int(row[0])))
    assert f"best mean-R {best} at epoch {chosen}: {run / 'out/model_best.pth'}" in log
    assert float(best) == pytest.approx(np.mean(recalls), abs=6e-5)  # of model_best.pth
    events = EventAccumulator(str(run / "out"))
    events.Reload()
    curve = [point.value for point in events.Scalars("Drawings/mean-R")]
    assert curve == pytest.approx([float(value) for _, value in logged], abs=6e-5)


def test_a_dry_run_embeds_texts_too_and_writes_nothing(run, capfd, monkeypatch):
    texts = []
    embed = NetworkExtractor.embed_texts
    monkeypatch.setattr(
        NetworkExtractor, "embed_texts", lambda self, found, name: texts.append(found) or embed(self, found, name)
    )
    assert main(words(run, "train", "--dry-run", OUTPUT_DIR=run / "dry")) == 0
    assert re.search(r"^in all        \d:\d\d$", capfd.readouterr().out, re.MULTILINE) and not (run / "dry").exists()
    assert len(texts) == 1 and all(texts[0])


def test_drawings_and_texts_find_each_other(run, recalls, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(words(run, "test")) == 0, capfd.readouterr().err
    line = capfd.readouterr().out.split("Any of the same patent")[1].splitlines()[1]
    cells = [float(cell) / 100 for cell in line.split()[1:]]
    np.testing.assert_allclose([cells[:3], cells[4:7]], recalls, atol=6e-5)


def test_queries_of_drawing_and_text(run, embedded, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(words(run, "test", **{"TEST.TEXT_WEIGHT": 0.3})) == 0, capfd.readouterr().err
    assert "network + captions" in capfd.readouterr().out
    splits, _, images, embed = embedded
    texts = np.stack([embed([s.caption])[0] if s.caption else 0 * images[0] for s in splits.query])
    scores = combine(images[: len(splits.query)], texts, 0.3) @ images[len(splits.query) :].T
    found = np.load(run / "test" / "result.npy")
    chosen = np.take_along_axis(scores, found, axis=1)
    np.testing.assert_allclose(chosen, -np.sort(-scores, axis=1)[:, : found.shape[1]], atol=1e-5)


@pytest.mark.parametrize("text, image", [("a kettle", False), ("a kettle", True), ("", True)])
def test_find(run, embedded, capfd, text, image):
    _, drawings, images, embed = embedded
    asked = drawings[3].path if image else ""
    options = [*(["--text", text] if text else []), *(["--image", asked] if image else []), "--weight", "0.25"]
    assert main(words(run, "find", *options)) == 0, capfd.readouterr().err
    printed = capfd.readouterr().out
    sides = ([images[3:4]] if image else []) + ([embed([text])] if text else [])
    query = sides[0] if len(sides) == 1 else combine(*sides, 0.25)
    cosines = dict(zip((sample.path.split("designs/")[1] for sample in drawings), images @ query[0]))
    rows = re.findall(r"^ *\d+ +(\S+) +(d\d+/\d.png)", printed, re.MULTILINE)
    assert len(rows) == 10
    for (score, name), best in zip(rows, sorted(cosines.values(), reverse=True)):
        assert float(score) == pytest.approx(best, abs=1e-3) == pytest.approx(cosines[name], abs=1e-3)
    assert Image.open(run / "find/found.png").size[0] > 500


@pytest.mark.parametrize("with_view", [False, True])
def test_find_designs_by_a_text(with_view, run, embedded, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    _, drawings, images, embed = embedded
    query = embed(["a kettle"])
    view = [str(drawings[3].path)] if with_view else []
    if view:
        query = combine(images[3:4], query, 0.25)
    options = [*view, "--in", str(run / "designs"), "--text", "a kettle", "--weight", "0.25", "--json", "a.json"]
    assert main(words(run, "find", *options, "--cache", str(tmp_path))) == 0, capfd.readouterr().err
    (found,) = json.loads((tmp_path / "a.json").read_text())["queries"]
    closeness = {answer["design"]: answer["closeness"] for answer in found["answers"]}
    assert len(closeness) == DESIGNS and {answer["percentile"] for answer in found["answers"]} == {None}
    for design in {sample.identity for sample in drawings}:
        rows = [row for row, sample in enumerate(drawings) if sample.identity == design and sample.path not in view]
        assert closeness[design] == pytest.approx(max(cosines(images[rows], query[0])), abs=1e-5)


def cosines(rows, query):
    return rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


def test_classify(run, capfd):
    assert main(words(run, "classify")) == 0, capfd.readouterr().err
    printed = capfd.readouterr().out
    for name in ("zero-shot", "linear probe", "support vector machine", "logistic regression", "perceptron", "kettle"):
        assert name in printed


def test_pairs_of_one_drawing_for_each_patent(run, tmp_path, monkeypatch, capfd):
    """As IMPACT's 5,000 pairs: no drawing has another of its patent, but texts are queries."""
    monkeypatch.chdir(tmp_path)
    lines = [f"d{number}/0.png,a {THINGS[number % 3]} of number {number}" for number in range(DESIGNS)]
    (run / "designs/pairs.csv").write_text("\n".join(["filepath,caption", *lines]))
    keys = {"DATASETS.TESTS": "('Captioned',)", "DATASETS.CAPTIONS.TEST": "pairs.csv", "DATASETS.CAPTIONS.TABLE.FILE": "''"}
    assert main(words(run, "test", **keys)) == 0, capfd.readouterr().err
    printed = capfd.readouterr().out
    assert f"{DESIGNS} pairs of a drawing and a text, of {DESIGNS} patents" in printed and "One right answer" in printed


def test_a_benchmark_has_their_tables_too(run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    settings = ["BENCHMARK.LOGS", run, "OUTPUT_DIR", tmp_path / "bench", "BENCHMARK.RESAMPLES", 20]
    assert main(["benchmark", "--config-file", str(run / "clip.yml"), *map(str, settings)]) == 0, capfd.readouterr().err
    folder = tmp_path / "bench/Drawings"
    (found,) = json.loads((folder / "benchmark.json").read_text())["texts"]
    recall = found["directions"]["text to image, patent"]["recall"]["1"]["mean"]
    assert found["system"] == "out" and f"{100 * recall:.2f}" in (folder / "benchmark.md").read_text()
    assert main(words(run, "test")) == 0
    line = capfd.readouterr().out.split("Any of the same patent")[1].splitlines()[1]
    assert float(line.split()[1]) == pytest.approx(100 * recall, abs=0.006)


def test_mistakes_are_one_sentence(run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for job, options, keys, sentence in (
        ("find", [], {}, "give --text, --image, or both"),
        ("find", ["--text", "a", "--weight", "2"], {}, "--weight: 2.0 is not between 0 and 1"),
        ("find", ["--text", "a"], {"DESCRIPTOR.NAME": "hog"}, "hog reads no text; use a PatentCLIP"),
        ("test", [], {"TEST.TEXT_WEIGHT": 0.5, "TEST.WHITENING.ENABLED": "True"}, "TEST.TEXT_WEIGHT: whitened"),
        ("test", [], {"MODEL.WEIGHTS": "''"}, "MODEL.WEIGHTS is empty"),
        ("train", [], {"DATASETS.CAPTIONS.TABLE.FILE": "''"}, "no drawing of Drawings has a caption"),
        ("train", [], {"MODEL.CLIP.NAME": "ViT-B-33"}, "did you mean ViT-B-32"),
    ):
        assert main(words(run, job, *options, **keys)) == 1, (job, options, keys)
        error = capfd.readouterr().err
        assert sentence in error and "Traceback" not in error, (job, options, keys)


def test_an_index_is_searched_by_texts_and_drawings(run, embedded, tmp_path):
    splits, drawings, images, embed = embedded
    options = ["--config-file", str(run / "clip.yml"), "MODEL.WEIGHTS", str(run / "out/model_best.pth")]
    assert main(["index", "build", str(run / "designs"), "--out", str(tmp_path / "I"), *options]) == 0
    places = {sample.path: row for row, sample in enumerate(drawings)}
    listed = ",".join(sorted({str(sample.identity) for sample in drawings}))
    where, texts = f"patent in ({listed})", ["kettle number 3", "a lamp"]
    view = drawings[0]
    words = [str(tmp_path / "I"), "--where", where, *(word for text in texts for word in ("--text", text)), "-k", "3"]
    for asked, name in (([], "a"), ([view.path, "--own", "--weight", "0.3"], "b")):
        assert main(["search", words[0], *asked, *words[1:], "--json", str(tmp_path / f"{name}.json")]) == 0
        text = embed(texts)
        text = (text / np.linalg.norm(text, axis=1, keepdims=True)).mean(axis=0, keepdims=True)
        query = combine(images[[0]], text, 0.3) if asked else text / np.linalg.norm(text)
        stored = json.loads((tmp_path / f"{name}.json").read_text())["answers"]
        scores = query @ (images / np.linalg.norm(images, axis=1, keepdims=True)).T
        best = {}
        for sample, row in zip(drawings, places.values()):
            best[sample.identity] = max(best.get(sample.identity, -1), float(scores[0, row]))
        expected = sorted(best.items(), key=lambda item: -item[1])[:3]
        assert [answer["patent"] for answer in stored] == [patent for patent, _ in expected]
        np.testing.assert_allclose([answer["score"] for answer in stored], [score for _, score in expected], atol=1e-3)
        assert all((answer["percentile"] is None) == (not asked) for answer in stored)
