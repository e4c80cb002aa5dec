"""The assembled network: its door, its features, its losses."""

import pytest
import torch
import torch.nn.functional as F

from fastpatent.errors import ConfigError
from fastpatent.losses.circle import circle_loss
from fastpatent.losses.triplet import triplet_loss
from fastpatent.models import META_ARCHITECTURES, build_model


def drawings(count=6, size=32):
    torch.manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)


@pytest.mark.parametrize(("mean", "std"), [([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([127.5], [64.0])])
def test_grey_drawings_are_widened_and_normalised_at_the_door(challenge_config, mean, std):
    model = build_model(challenge_config(**{"MODEL.PIXEL_MEAN": mean, "MODEL.PIXEL_STD": std}))
    images = drawings()
    expected = torch.stack([(images[:, 0].double() - m) / s for m, s in zip(mean, std, strict=True)], dim=1)
    found = model.normalise(images)
    torch.testing.assert_close(found, expected.float())
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model.normalise(images.expand(-1, len(mean), -1, -1)), found)


def test_settings_of_the_door_are_no_weights(challenge_config):
    model = build_model(challenge_config())
    assert not [name for name in model.state_dict() if "pixel" in name]
    assert {name.split(".")[0] for name in model.state_dict()} == {"backbone", "heads"}


def test_evaluation_gives_float32_features_under_autocast_too(challenge_config):
    model = build_model(challenge_config()).eval()
    with torch.no_grad():
        features = model(drawings())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(drawings())
    assert features.dtype == half.dtype == torch.float32 and features.shape == (6, 512)
    assert F.cosine_similarity(features, half).min() > 0.99


def test_training_gives_each_loss_scaled(challenge_config):
    scales = {"MODEL.LOSSES.CE.SCALE": 0.5, "MODEL.LOSSES.TRI.SCALE": 2.0, "MODEL.LOSSES.CIRCLE.SCALE": 3.0}
    names = ("CrossEntropyLoss", "TripletLoss", "CircleLoss")
    model = build_model(challenge_config(classes=3, **scales, **{"MODEL.LOSSES.NAME": names}))
    targets = torch.tensor([0, 0, 1, 1, 2, 2])
    losses = model(drawings(), targets)
    output = model.heads(model.backbone(model.normalise(drawings())), targets)
    assert set(losses) == {"loss_cls", "loss_triplet", "loss_circle"}
    torch.testing.assert_close(losses["loss_cls"], 0.5 * F.cross_entropy(output.logits, targets))
    torch.testing.assert_close(losses["loss_triplet"], 2 * triplet_loss(output.embeddings, targets, 0.0, True))
    torch.testing.assert_close(losses["loss_circle"], 3 * circle_loss(output.embeddings, targets))


@pytest.mark.parametrize("names", [("CrossEntropyLoss", "TripletLoss"), ("TripletLoss",), ("CrossEntropyLoss",)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_trainable_parameter_receives_a_finite_gradient(challenge_config, names, dtype):
    model = build_model(challenge_config(classes=3, **{"MODEL.LOSSES.NAME": names}))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        sum(model(drawings(), torch.tensor([0, 0, 1, 1, 2, 2])).values()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_it_learns_its_batch(challenge_config):
    torch.manual_seed(0)
    model = build_model(challenge_config(classes=3, **{"MODEL.HEADS.CLS_LAYER": "Linear"}))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    history = []
    for _ in range(8):
        loss = sum(model(drawings(), torch.tensor([0, 0, 1, 1, 2, 2])).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.5 * history[0]


def test_mean_and_deviation_must_agree(challenge_config):
    with pytest.raises(ConfigError, match="MODEL.PIXEL_STD: 1 values.*PIXEL_MEAN has 3"):
        build_model(challenge_config(**{"MODEL.PIXEL_STD": [64.0]}))


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("MODEL.META_ARCHITECTURE", "Baselin", "Baseline"),
        ("MODEL.BACKBONE.NAME", "build_resnet", "build_resnet_backbone"),
        ("MODEL.HEADS.NAME", "EmbedingHead", "EmbeddingHead"),
        ("MODEL.LOSSES.NAME", ("TripletLos",), "TripletLoss"),
    ],
)
def test_a_wrong_name_gives_its_key_and_the_nearest(challenge_config, key, value, hint):
    with pytest.raises(ConfigError, match=f"{key}.*did you mean {hint}"):
        build_model(challenge_config(**{key: value}))


def test_names_of_fast_reid_are_registered():
    assert "Baseline" in META_ARCHITECTURES.names()
