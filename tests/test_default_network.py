"""The network in the box: its files, its card, and what it finds."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fastpatent
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG, FOLDER, WEIGHTS
from fastpatent.data.image import open_drawing
from fastpatent.models import build_model, with_classes
from fastpatent.models.weights import load_weights

CARD = FOLDER / "default.md"


def test_the_weights_are_those_of_the_card_and_fit_their_configuration():
    data = Path(WEIGHTS).read_bytes()
    assert len(data) <= 10_000_000
    assert hashlib.sha256(data).hexdigest() in CARD.read_text(encoding="utf-8")
    cfg = load_config(CONFIG)
    assert cfg.MODEL.WEIGHTS == WEIGHTS
    report = load_weights(build_model(with_classes(cfg, 1)), WEIGHTS).without_classifier()
    assert not report.missing and not report.unexpected and not report.reshaped


def test_the_card_names_what_licences_ask_for():
    card, notice = CARD.read_text(encoding="utf-8"), Path(__file__).resolve().parents[1] / "NOTICE"
    for text in (card, notice.read_text(encoding="utf-8")):
        assert re.search(r"EfficientNet-Lite.*Apache", text, re.DOTALL) and re.search(r"LDraw.*CC BY 2\.0", text, re.DOTALL)


@pytest.mark.slow
def test_it_finds_the_other_sheets_of_real_patents_better_than_their_pixels_do(shared):
    patents = sorted((shared / "impact/patents").iterdir())[:10]
    paths = [path for patent in patents for path in sorted(patent.glob("*.TIF")) if "D00000" not in path.name]
    names = [path.parent.name for path in paths]
    net = fastpatent.load()
    pixels = [np.asarray(open_drawing(path).resize((32, 32), Image.Resampling.BOX)).ravel() for path in paths]
    by_system = []
    for features in (net.embed(paths), 255 - np.stack(pixels).astype(np.float32)):
        assert len(features) == len(paths)
        by_system.append(fastpatent.evaluate(features[::2], features[1::2], names[::2], names[1::2])["mAP"])
    assert by_system[0] > by_system[1]
