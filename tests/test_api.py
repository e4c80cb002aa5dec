"""The Python interface: the same features as `fastpatent extract`, the lines of docs/python.md, silence, and errors."""

import io
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from PIL.ExifTags import Base

import fastpatent
from fastpatent.commands import extract
from fastpatent.config import describe, load_config
from fastpatent.config.default_network import WEIGHTS
from fastpatent.errors import CheckpointError, ConfigError, DataError
from fastpatent.models import build_model
from tests.evaluation.plain_network import PlainRun, components
from tests.polygons import write_designs
from tests.small_sets import strokes

GUIDE = Path(__file__).parents[1] / "docs" / "python.md"
LINES = GUIDE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
SETTINGS = {
    "MODEL.DEVICE": "cpu",
    "MODEL.BACKBONE.NAME": "timm",
    "MODEL.BACKBONE.TIMM_NAME": "test_resnet",
    "MODEL.BACKBONE.PRETRAIN": "False",
    "MODEL.HEADS.NUM_CLASSES": "2",
    "INPUT.SIZE_TEST": "[48, 40]",
    "INPUT.KEEP_ASPECT": "True",
    "INPUT.INVERT": "auto",
    "INPUT.MAX_PIXELS": "100000",
    "TEST.FLIP.ENABLED": "True",
    "TEST.SCALES": "[1.0, 0.7]",
    "TEST.TURNS": "True",
    "TEST.IMS_PER_BATCH": "4",
    "DATALOADER.NUM_WORKERS": "2",
    "INPUT.CJ.HUE": "0.2",  # of no effect, so there is a warning
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder as a training leaves it, of a small network with random weights; `other.pth` has other ones."""
    folder = tmp_path_factory.mktemp("api") / "run"
    folder.mkdir()
    cfg = load_config(overrides=[word for pair in SETTINGS.items() for word in pair])
    (folder / "config.yaml").write_text(describe(cfg).yaml)
    torch.manual_seed(0)
    for name in ("model_best.pth", "other.pth"):
        torch.save({"model": build_model(cfg).state_dict()}, folder / name)
    return folder


@pytest.fixture(scope="module")
def net(run):
    return fastpatent.load(run)


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """(PlainRun, the loaded network), which reads texts."""
    for registry, name, component in components():
        registry.all()  # the package's own first
        monkeypatch.setitem(registry._components, name, component)
    found = PlainRun(tmp_path)
    (tmp_path / "plain.yml").write_text(describe(found.config()).yaml)
    return found, fastpatent.load(config=tmp_path / "plain.yml")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Paths, sorted, of drawings of all colour modes; one is white on black, one lies on its side."""
    folder = tmp_path_factory.mktemp("drawings")
    grey = [Image.fromarray(strokes(number, (60 + number, 50))) for number in range(7)]
    colour = Image.merge("RGB", grey[1:2] * 2 + [ImageOps.flip(grey[1])])
    clear = colour.convert("RGBA")
    clear.putalpha(grey[1].point(lambda level: 255 - level // 2))
    turned = Image.Exif()
    turned[Base.Orientation] = 6
    grey[0].save(folder / "0.png")
    colour.save(folder / "1.png")
    clear.save(folder / "2.png")
    grey[3].convert("1").save(folder / "3.tif")
    Image.merge("RGB", [grey[4], grey[4].rotate(180), grey[4]]).quantize(8).save(folder / "4.png", transparency=1)
    Image.fromarray(np.asarray(grey[5]).astype(np.uint16) * 201).save(folder / "5.png")  # of 16 bits
    ImageOps.invert(grey[6]).save(folder / "6.png")
    colour.save(folder / "7.jpg", exif=turned)
    return sorted(folder.iterdir())


def test_features_are_those_of_extract_bit_for_bit(run, net, drawings, tmp_path):
    words = ["--config-file", run / "config.yaml", "--images", drawings[0].parent, "--output", tmp_path / "f.npz"]
    assert extract.main([*map(str, words), "MODEL.WEIGHTS", str(run / "model_best.pth")]) == 0
    extracted = np.load(tmp_path / "f.npz")
    assert list(extracted["paths"]) == [path.name for path in drawings]
    features = extracted["features"]
    assert len({row.tobytes() for row in features}) == len(drawings)
    # Arrays of three and of four colours; what has no such array stays a path.
    arrays = [np.asarray(Image.open(path)) if number in (0, 1, 2, 6) else str(path) for number, path in enumerate(drawings)]
    loaded = [Image.open(path) for path in drawings]
    for image in loaded:
        image.load()
    for images in (drawings, map(str, drawings), [Image.open(path) for path in drawings], loaded, arrays):
        found = net.embed(images)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, features)
    assert net.dim == features.shape[1]
    for image in (drawings[0], arrays[0], loaded[0]):
        np.testing.assert_allclose(net.embed(image), features[:1], rtol=1e-4, atol=1e-5)


def test_a_run_or_a_configuration_with_weights_is_loaded(run, net, drawings, tmp_path):
    for name in ("config.yaml", "other.pth"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    other = fastpatent.load(run, weights=run / "other.pth").embed(drawings)
    assert not np.allclose(other, net.embed(drawings), atol=1e-3)
    (tmp_path / "other.pth").rename(tmp_path / "model_final.pth")
    config = fastpatent.load(config=run / "config.yaml", weights=str(run / "other.pth"), device=torch.device("cpu"))
    for loaded in (fastpatent.load(str(tmp_path)), config):
        np.testing.assert_array_equal(loaded.embed(drawings), other)
    assert net.cfg.TEST.SCALES == [1.0, 0.7]


def test_batches_and_progress(plain):
    run, net = plain
    paths, seen = [sample.path for sample in run.samples[:7]], []
    found = net.embed(paths, batch_size=np.int64(4), progress=lambda *done: seen.append(done))
    np.testing.assert_allclose(found, run.image_features(run.samples[:7]), rtol=1e-4, atol=1e-3)
    assert net._network.batches == [4, 3] and seen == [(4, 7), (7, 7)]
    np.testing.assert_allclose(net.embed(paths), found, rtol=1e-5)
    assert net._network.batches[2:] == [3, 3, 1]


def test_texts_have_features(plain):
    run, net = plain
    texts = ["a lamp", "a chair", "a lamp", "a vase"]
    found = net.embed_texts(texts)
    np.testing.assert_allclose(found, run.text_features(texts), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(net.embed_texts(texts[1]), found[1:2], rtol=1e-5)
    for wrong, message in (([], "there is no text"), (["a", 3], r"texts\[1\]: 3 is no text")):
        with pytest.raises(DataError, match=message):
            net.embed_texts(wrong)


def test_identities_are_texts_or_numbers():
    rows = np.eye(4, dtype=np.float32)
    gallery = rows[[1, 0, 2, 2]]
    found = fastpatent.evaluate(rows[:3], gallery, [7, "b", None], np.array(["7", "c", "b", "7"]))
    # Design 7: of four rows 1 is equal, 0, 2 and 3 tie: relevant rows 0 and 3 have ranks 2 and 4. Design b: row 2 is third.
    expected = {"mAP": ((1 / 2 + 2 / 4) / 2 + 1 / 3) / 2, "Acc@1": 0, "Acc@5": 1, "queries": 2, "unmatched": 1}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("load", ["load()", pytest.param("load('run')", marks=pytest.mark.slow)])
def test_the_ten_lines_of_the_guide(load, run, tmp_path, monkeypatch, capfd):
    if load == "load()" and not Path(WEIGHTS).exists():
        pytest.skip(f"{WEIGHTS} does not exist: the network in the box cannot be tested")
    (tmp_path / "run").symlink_to(run)
    sheets = Path(__file__).parents[2] / "shared/impact/patents"
    for patent in sorted(sheets.glob("*"))[:4]:
        (tmp_path / "drawings" / patent.name).mkdir(parents=True)
        for sheet in sorted(patent.glob("*.TIF"))[1:4]:
            Image.open(sheet).convert("L").resize((300, 300)).save(tmp_path / "drawings" / patent.name / f"{sheet.stem}.png")
    if not sheets.is_dir():
        write_designs(tmp_path / "drawings", 4)
    assert "fastpatent.load()" in LINES and len(LINES.splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    if load == "load()":
        exec(LINES, {})
    else:  # in a process of its own, where pytest takes no messages
        subprocess.run([sys.executable, "-c", LINES.replace("load()", load)])
    shown, errors = capfd.readouterr()
    assert not errors

    paths = sorted(path.relative_to(tmp_path) for path in (tmp_path / "drawings").glob("*/*.png"))
    features = fastpatent.load(*([run] if "run" in load else [])).embed([tmp_path / path for path in paths])
    rows = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    shown = shown.splitlines()
    assert [line.split(" ", 1)[1] for line in shown[:5]] == [str(paths[row]) for row in np.argsort(-(rows @ rows[0]))[:5]]
    assert float(shown[0].split()[0]) == 1
    precisions, firsts = [], []
    for query, path in zip(rows[::2], paths[::2]):
        order = np.argsort(-(rows[1::2] @ query), kind="stable")
        hits = np.array([paths[1::2][row].parent == path.parent for row in order])
        if hits.any():
            precisions.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
            firsts.append(hits[0])
    assert shown[5:] == [f"mAP {np.mean(precisions):.3f} Acc@1 {np.mean(firsts):.3f}"]


def test_torch_is_imported_when_it_is_needed():
    lines = "import sys, fastpatent as f; print('torch' in sys.modules, 'numpy' in sys.modules, f.errors.DataError.__name__)"
    assert subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True).stdout == "False False DataError\n"
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        fastpatent.lode()


def test_processes_are_started_only_where_they_do_not_run_the_script_again(run, net, monkeypatch):
    assert net.cfg.DATALOADER.NUM_WORKERS == 2 or multiprocessing.get_all_start_methods()[0] != "fork"
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "spawn")
    assert fastpatent.load(run).cfg.DATALOADER.NUM_WORKERS == 0


def damaged():
    """A PIL image that is opened, and cannot be loaded."""
    file = io.BytesIO()
    Image.fromarray(strokes(0)).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:-40]))


@pytest.mark.parametrize(
    "images, message",
    [
        ([], "there is no image to extract features from"),
        ("nowhere.png", f"^{Path.cwd()}/nowhere.png: no such drawing$"),
        (b"bytes", r"^images\[0\]: an image is a path, a PIL image or a uint8 array, not 98$"),
        (None, r"^images\[0\]: an image is .*, not None$"),
        ([strokes(0), strokes(1) / 255], r"^images\[1\]: .*an array of float64 \[40, 30\] is no uint8 \[height, width\]"),
        (np.zeros((3, 8, 8), np.uint8), r"^images\[0\]: .*an array of uint8 \[3, 8, 8\]"),
        (np.zeros((0, 8), np.uint8), r"^images\[0\]: .*it has no pixels"),
        (np.zeros((400, 400), np.uint8), r"^images\[0\]: refused, more than 100,000 pixels \(INPUT.MAX_PIXELS\)"),
        (Image.new("F", (8, 8)), r"^images\[0\]: .*32 bits deep"),
        ([strokes(0), damaged()], r"^images\[1\]: cannot be read as a drawing: "),
    ],
)
def test_an_image_that_cannot_be_read_is_named(net, images, message):
    with pytest.raises(DataError, match=message):
        net.embed(images)


def test_what_cannot_be_loaded_or_done_is_one_sentence(net, run, tmp_path):
    (tmp_path / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    (tmp_path / "hog.yml").write_text("DESCRIPTOR: {NAME: hog}\n")
    (tmp_path / "both.yml").write_text("TEST: {ENSEMBLE: {CONFIGS: [a.yml, b.yml]}}\n")
    for attempt, kind, message in (
        (lambda: fastpatent.load(tmp_path / "nowhere"), ConfigError, "nowhere/config.yaml"),
        (lambda: fastpatent.load(tmp_path), CheckpointError, f"{tmp_path}: .* neither model_best.pth nor model_final.pth"),
        (lambda: fastpatent.load(tmp_path, weights="nowhere.pth"), CheckpointError, "nowhere.pth"),
        (lambda: fastpatent.load(run, config=tmp_path / "hog.yml"), ConfigError, "not both"),
        (lambda: fastpatent.load(config=tmp_path / "hog.yml"), ConfigError, "DESCRIPTOR.NAME: hog is not a network"),
        (lambda: fastpatent.load(config=tmp_path / "both.yml"), ConfigError, "TEST.ENSEMBLE.CONFIGS names several"),
        (lambda: fastpatent.load(run, device="gpu"), ConfigError, "'gpu' is not a device"),
        (lambda: net.embed(strokes(0), batch_size=0), ConfigError, "batch_size: 0 is no whole number"),
        (lambda: net.embed_texts("a lamp"), ConfigError, "reads no text"),
    ):
        with pytest.raises(kind, match=message) as raised:
            attempt()
        assert "\n" not in str(raised.value)
