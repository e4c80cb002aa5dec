"""The neck of Higuchi & Yanai against its formula in float64."""

import pytest
import torch
import torch.nn.functional as F

from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS


def build(test_feat="after", **settings):
    cfg = get_cfg()
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.MODEL.HEADS.EMBEDDING_DIM, cfg.TEST.NECK_FEAT = 5, 7, test_feat
    for key, value in settings.items():
        cfg.MODEL.HEADS[key] = value
    torch.manual_seed(0)
    head = HEADS.get("ProjectionHead")(cfg, 12)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, 0.3)
    for norm in (head.bottleneck[1], head.bottleneck[4]):
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return head


def batch():
    torch.manual_seed(1)
    return torch.randn(6, 12, 3, 4), torch.arange(6) % 5


def neck(head, pooled, training):
    """What the second BN takes, and the output of BN, linear, BN, PReLU, written out in float64."""
    _, first, _, linear, second, prelu = head.bottleneck

    def norm(rows, layer):
        mean, variance = (rows.mean(0), rows.var(0, correction=0)) if training else (layer.running_mean, layer.running_var)
        return (rows - mean) / (variance.double() + 1e-5).sqrt() * layer.weight.double() + layer.bias.double()

    projected = norm(pooled.double(), first) @ linear.weight.double().T + linear.bias.double()
    rows = norm(projected, second)
    return {"before": projected, "after": torch.where(rows > 0, rows, rows * prelu.weight.double())}


@pytest.mark.parametrize("test_feat", ["before", "after"])
def test_the_feature_in_evaluation_meets_the_formula(test_feat):
    head = build(test_feat, DROPOUT=0.5).eval()
    maps, _ = batch()
    expected = neck(head, maps.mean((2, 3)), training=False)[test_feat]
    torch.testing.assert_close(head(maps).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("neck_feat", ["before", "after"])
@pytest.mark.parametrize("cls_layer", ["Linear", "CosSoftmax"])
def test_training_classifies_that_feature(neck_feat, cls_layer):
    head = build("before", NECK_FEAT=neck_feat, CLS_LAYER=cls_layer, SCALE=8, MARGIN=0.2)
    maps, targets = batch()
    expected = neck(head, maps.mean((2, 3)), training=True)["after"]
    output = head(maps, targets)
    weight = head.weight.double()
    logits = 8 * expected @ weight.T
    if cls_layer == "CosSoftmax":
        logits = 8 * (F.normalize(expected) @ F.normalize(weight).T - 0.2 * F.one_hot(targets, 5))
    torch.testing.assert_close(output.logits.double(), logits, rtol=1e-4, atol=1e-4)
    pairs = maps.mean((2, 3)).double() if neck_feat == "before" else expected
    torch.testing.assert_close(output.embeddings.double(), pairs, rtol=1e-4, atol=1e-4)
    assert head.pair_dim == pairs.shape[1]


def test_dropout_removes_its_share_in_training_only():
    head = build(DROPOUT=0.25)
    seen = []
    head.bottleneck[2].register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    head(torch.randn(4000, 12, 1, 1), torch.zeros(4000, dtype=torch.long))
    head.eval()(torch.randn(6, 12, 1, 1))
    (before, after), (same, untouched) = seen
    rest = after != 0
    assert rest.double().mean().item() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(after[rest], before[rest] / 0.75)
    assert torch.equal(same, untouched)


def test_a_projection_to_nothing_is_refused():
    with pytest.raises(ConfigError, match="MODEL.HEADS.EMBEDDING_DIM.*ProjectionHead"):
        build(EMBEDDING_DIM=0)
