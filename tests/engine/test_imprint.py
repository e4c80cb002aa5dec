"""Imprinted class weights against the mean of each class, image by image in float64."""

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.data.load_datasets import load_training_set
from fastpatent.device import Precision
from fastpatent.engine import imprint as module
from fastpatent.engine.imprint import imprint
from fastpatent.errors import ConfigError
from fastpatent.models import build_model, with_classes
from tests.engine.runs import RESNET, train
from tests.small_sets import small_config, write_patent_set

FLOAT32 = Precision(torch.float32, "")


@pytest.fixture
def cfg(tmp_path):
    cfg = small_config()
    cfg.DATASETS.ROOT = str(write_patent_set(tmp_path))
    cfg.MODEL.BACKBONE.DEPTH, cfg.MODEL.HEADS.CLS_LAYER, cfg.MODEL.HEADS.WITH_BNNECK = "18x", "CosSoftmax", True
    cfg.MODEL.HEADS.EMBEDDING_DIM = 16
    return cfg


def test_class_weights_are_the_means_behind_the_norm_and_a_broken_class_keeps_its_own(cfg, monkeypatch):
    samples = load_training_set(cfg)
    first = sorted({sample.identity for sample in samples})[0]
    for sample in samples:
        if sample.identity == first:
            with open(sample.path, "wb") as broken:
                broken.write(b"no image")
    monkeypatch.setattr(module, "IMAGES", 3)
    cfg.DATALOADER.MAX_BROKEN = 0.5
    torch.manual_seed(0)
    network = build_model(with_classes(cfg, 6))
    before = network.head.weight.detach().clone()

    imprint(cfg, network, samples, torch.device("cpu"), FLOAT32)

    assert network.training and network.head.bottleneck[-1].training and network.head.test_feat == "after"
    weight = network.head.weight.detach()
    assert torch.equal(weight[0], before[0])
    torch.testing.assert_close(weight.norm(dim=1), before.norm(dim=1))
    network.eval()
    network.head.test_feat = "before"
    identities = sorted({sample.identity for sample in samples})
    rows, labels = [], []
    for number, identity in enumerate(identities[1:], 1):
        for sample in [sample for sample in samples if sample.identity == identity][:3]:
            image = np.array(Image.open(sample.path).convert("L").resize((20, 24), Image.Resampling.BICUBIC))
            with torch.no_grad():
                rows.append(network.embed_images(torch.from_numpy(image)[None, None])[0].double().numpy())
            labels.append(number)
    rows, labels = np.array(rows), np.array(labels)
    rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for number in range(1, 6):
        mean = rows[labels == number].mean(0)
        np.testing.assert_allclose(
            weight[number].double() / weight[number].double().norm(), mean / np.linalg.norm(mean), atol=1e-4
        )


def test_heads_without_one_weight_an_identity_are_refused(cfg):
    cfg.MODEL.HEADS.IMPRINT = True
    for key, value in (("SUB_CENTERS", 2), ("SAMPLED_CLASSES", 4)):
        other = cfg.clone()
        other.MODEL.HEADS[key] = value
        with pytest.raises(ConfigError, match=r"MODEL\.HEADS\.IMPRINT: needs one class weight"):
            build_model(with_classes(other, 6))
    for name, loss in (("NormalisedHead", "TripletLoss"), ("ProjectionHead", "CrossEntropyLoss")):
        cfg.MODEL.HEADS.NAME, cfg.MODEL.LOSSES.NAME = name, (loss,)
        with pytest.raises(ConfigError, match=rf"needs the EmbeddingHead, MODEL\.HEADS\.NAME is {name}"):
            imprint(cfg, build_model(with_classes(cfg, 6)), [], torch.device("cpu"), FLOAT32)


def test_another_head_is_refused_before_anything_is_written(drawings_folder, tmp_path, capfd):
    words = ["MODEL.HEADS.NAME", "NormalisedHead", "MODEL.LOSSES.NAME", "[TripletLoss]", "MODEL.HEADS.IMPRINT", "True"]
    assert train(drawings_folder, tmp_path / "run", *RESNET, *words) == 1
    assert "needs the EmbeddingHead" in capfd.readouterr().err
    assert not (tmp_path / "run/config.yaml").exists() and not (tmp_path / "run/log.txt").exists()
