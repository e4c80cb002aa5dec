"""The assembled network: its input, its features, its losses."""

import torch
import torch.nn.functional as F

from fastpatent.losses.circle import circle_loss
from fastpatent.losses.triplet import triplet_loss
from fastpatent.models import build_model


def drawings(count=6, size=32):
    torch.manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)


def test_grey_images_are_repeated_and_normalised(challenge_config):
    for mean, std in (([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([127.5], [64.0])):
        model = build_model(challenge_config(**{"MODEL.PIXEL_MEAN": mean, "MODEL.PIXEL_STD": std}))
        images = drawings()
        expected = torch.stack([(images[:, 0].double() - m) / s for m, s in zip(mean, std, strict=True)], dim=1)
        found = model.normalise(images)
        torch.testing.assert_close(found, expected.float())
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(model.normalise(images.expand(-1, len(mean), -1, -1)), found)
        assert list(model.backbone_inputs(images)) == ["backbone"]
        torch.testing.assert_close(model.backbone_inputs(images)["backbone"], found)


def test_pixel_settings_are_no_weights(challenge_config):
    model = build_model(challenge_config())
    assert not [name for name in model.state_dict() if "pixel" in name]
    assert {name.split(".")[0] for name in model.state_dict()} == {"backbone", "heads"}


def test_evaluation_gives_float32_features_also_under_autocast(challenge_config):
    model = build_model(challenge_config()).eval()
    with torch.no_grad():
        features = model(drawings())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(drawings())
    assert features.dtype == half.dtype == torch.float32 and features.shape == (6, 512)
    assert F.cosine_similarity(features, half).min() > 0.99


def test_training_gives_the_scaled_losses(challenge_config):
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


def test_every_trainable_parameter_receives_a_finite_gradient(challenge_config):
    for names in (("CrossEntropyLoss", "TripletLoss"), ("TripletLoss",), ("CrossEntropyLoss",)):
        model = build_model(challenge_config(classes=3, **{"MODEL.LOSSES.NAME": names}))
        for dtype in (torch.float32, torch.bfloat16):
            model.zero_grad()
            with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                sum(model(drawings(), torch.tensor([0, 0, 1, 1, 2, 2])).values()).backward()
            for name, parameter in model.named_parameters():
                assert (parameter.grad is not None) == parameter.requires_grad, (names, dtype, name)
                assert parameter.grad is None or parameter.grad.isfinite().all(), (names, dtype, name)


def test_it_fits_a_batch(challenge_config):
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
