"""The embedding head against the formula in float64, and the features for classifier, losses and evaluation."""

import pytest
import torch
import torch.nn.functional as F

from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS


def config(test_feat="after", **settings):
    cfg = get_cfg()
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.TEST.NECK_FEAT = 5, test_feat
    for key, value in settings.items():
        cfg.MODEL.HEADS[key] = value
    return cfg


def build(*args, **settings):
    torch.manual_seed(0)
    return HEADS.get("EmbeddingHead")(config(*args, **settings), 12)


def batch():
    torch.manual_seed(1)
    return torch.randn(6, 12, 3, 4), torch.arange(6) % 5


@pytest.mark.parametrize("cls_layer", ["Linear", "CosSoftmax"])
def test_training_output_meets_the_formula(cls_layer):
    for neck_feat in ["before", "after"]:
        for embedding_dim in [0, 7]:
            for with_bnneck in [True, False]:
                head = build(
                    NECK_FEAT=neck_feat,
                    EMBEDDING_DIM=embedding_dim,
                    WITH_BNNECK=with_bnneck,
                    CLS_LAYER=cls_layer,
                    SCALE=8,
                    MARGIN=0.2,
                )
                maps, targets = batch()
                logits, embeddings, columns = head(maps, targets)
                assert columns is targets, f"{neck_feat=}, {embedding_dim=}, {with_bnneck=}"
                pooled = maps.double().mean((2, 3))
                features = pooled @ head.bottleneck[0].weight.double().flatten(1).T if embedding_dim else pooled
                if with_bnneck:
                    features = (features - features.mean(0)) / (features.var(0, correction=0) + 1e-5).sqrt()
                weight = head.weight.double()
                expected = 8 * features @ weight.T
                if cls_layer == "CosSoftmax":
                    expected = 8 * (F.normalize(features) @ F.normalize(weight).T - 0.2 * F.one_hot(targets, 5))
                torch.testing.assert_close(
                    logits.double(),
                    expected,
                    rtol=1e-4,
                    atol=1e-5,
                    msg=lambda text: f"{text} ({neck_feat=}, {embedding_dim=}, {with_bnneck=})",
                )
                torch.testing.assert_close(
                    embeddings.double(),
                    pooled if neck_feat == "before" else features,
                    rtol=1e-4,
                    atol=1e-5,
                    msg=lambda text: f"{text} ({neck_feat=}, {embedding_dim=}, {with_bnneck=})",
                )


@pytest.mark.parametrize("test_feat", ["before", "after"])
@pytest.mark.parametrize("neck_feat", ["before", "after"])
def test_the_feature_in_evaluation_is_before_or_after_the_norm_of_the_neck(neck_feat, test_feat):
    for embedding_dim in [0, 7]:
        head = build(test_feat, NECK_FEAT=neck_feat, WITH_BNNECK=True, EMBEDDING_DIM=embedding_dim).eval()
        norm = head.bottleneck[-1]
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
        torch.nn.init.normal_(norm.running_mean)
        maps, _ = batch()
        expected = maps.double().mean((2, 3))
        if embedding_dim:
            expected = expected @ head.bottleneck[0].weight.double().flatten(1).T
        if test_feat == "after":
            expected = (expected - norm.running_mean) / (norm.running_var.double() + 1e-5).sqrt()
        torch.testing.assert_close(head(maps).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["EmbeddingHead", "NormalisedHead"])
def test_without_a_norm_the_feature_is_the_same_before_and_after_it(name):
    heads = []
    for test_feat in ["before", "after"]:
        torch.manual_seed(0)
        heads.append(HEADS.get(name)(config(test_feat, EMBEDDING_DIM=7), 12).eval())
    maps, _ = batch()
    assert torch.equal(heads[0](maps), heads[1](maps)) and heads[0](maps).shape == (6, 7)


def test_the_shift_of_the_neck_is_frozen_at_zero():
    for norm in ["BN", "GN", "LN"]:
        head = build(WITH_BNNECK=True, NORM=norm)
        assert not head.bottleneck[0].bias.requires_grad and not head.bottleneck[0].bias.any(), f"{norm=}"
        assert head.bottleneck[0].weight.requires_grad, f"{norm=}"


def test_class_weights_start_small():
    head = HEADS.get("EmbeddingHead")(config(NUM_CLASSES=400), 64)
    assert head.weight.shape == (400, 64)
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_autocast_does_not_round_the_logits():
    for cls_layer in ["Linear", "CosSoftmax", "ArcSoftmax", "CircleSoftmax"]:
        head = build(CLS_LAYER=cls_layer, SCALE=64, MARGIN=0.35, WITH_BNNECK=True, POOL_LAYER="GeneralizedMeanPoolingP")
        maps, targets = batch()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = head(maps, targets)
            (half,) = torch.autograd.grad(head(maps.bfloat16(), targets).logits.sum(), head.weight)
        torch.testing.assert_close(output.logits, head(maps, targets).logits, msg=lambda text: f"{text} ({cls_layer=})")
        assert output.logits.dtype == torch.float32 and half.isfinite().all(), f"{cls_layer=}"


def test_a_pooling_that_leaves_positions_is_refused():
    for name in ("Identity", "Flatten"):
        head = build(POOL_LAYER=name)
        with pytest.raises(ConfigError, match="MODEL.HEADS.POOL_LAYER"):
            head(batch()[0], batch()[1])
        assert head.eval()(torch.randn(2, 12, 1, 1)).shape == (2, 12)


def test_an_unknown_classifier_is_reported_with_the_nearest_name():
    with pytest.raises(ConfigError, match="CLS_LAYER.*CircleSoftmax"):
        build(CLS_LAYER="CircleSoftMax")
