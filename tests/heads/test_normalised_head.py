"""The features of PatentNet against the formula in float64, and networks without a classifier."""

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.engine.optimizer import build_optimizer
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.models import build_model


def config(**settings):
    cfg = get_cfg()
    cfg.MODEL.HEADS.NAME, cfg.MODEL.HEADS.POOL_LAYER = "NormalisedHead", "GeneralizedMeanPooling"
    cfg.MODEL.BACKBONE.DEPTH = "18x"
    cfg.MODEL.LOSSES.NAME = ("TripletLoss",)
    cfg.merge_from_list([word for key, value in settings.items() for word in (key.replace("__", "."), value)])
    return cfg


def test_features_meet_the_formula():
    for embedding_dim in [0, 5]:
        for dtype in [torch.float32, torch.bfloat16]:
            torch.manual_seed(0)
            head = HEADS.get("NormalisedHead")(config(MODEL__HEADS__EMBEDDING_DIM=embedding_dim), 8)
            maps = 50 * torch.randn(4, 8, 3, 5).to(dtype)
            pooled = maps.double().clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
            rows = pooled @ head.fc.weight.double().T + head.fc.bias.double() if embedding_dim else pooled
            expected = rows / rows.pow(2).sum(1, keepdim=True).sqrt()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                output, features = head(maps), head.eval()(maps)
            assert output.logits is None and features.dtype == torch.float32, f"{embedding_dim=}, {dtype=}"
            torch.testing.assert_close(
                output.embeddings.double(),
                expected,
                rtol=1e-4,
                atol=1e-5,
                msg=lambda text: f"{text} ({embedding_dim=}, {dtype=})",
            )
            torch.testing.assert_close(
                features.double(), expected, rtol=1e-4, atol=1e-5, msg=lambda text: f"{text} ({embedding_dim=}, {dtype=})"
            )
            assert head.pair_dim == features.shape[1], f"{embedding_dim=}, {dtype=}"


@pytest.mark.parametrize("embedding_dim", [0, 16])
def test_a_network_without_a_classifier_learns_from_pairs(embedding_dim):
    torch.manual_seed(0)
    cfg = config(MODEL__HEADS__EMBEDDING_DIM=embedding_dim, SOLVER__BASE_LR=1e-3)
    model = build_model(cfg)
    optimizer = build_optimizer(cfg, model)
    images, targets = torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8), torch.arange(8) // 2
    history = []
    for _ in range(6):
        losses = model(images, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append(losses["loss_triplet"].item())
    assert all(p.grad is not None for p in model.parameters())
    assert history[-1] < 0.5 * history[0]


def test_a_loss_over_logits_is_refused_by_name():
    with pytest.raises(ConfigError, match="MODEL.LOSSES.NAME: loss_cls.*NormalisedHead"):
        build_model(config(MODEL__LOSSES__NAME=("CrossEntropyLoss", "TripletLoss")))


def test_a_pooling_that_leaves_positions_is_refused():
    head = HEADS.get("NormalisedHead")(config(MODEL__HEADS__POOL_LAYER="Identity"), 8)
    with pytest.raises(ConfigError, match="POOL_LAYER: the pooling leaves 8 x 3 x 5"):
        head(torch.randn(2, 8, 3, 5))
