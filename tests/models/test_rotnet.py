"""RotNet: its input, its classes, its features, and its weights in the next stage."""

import numpy as np
import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights

ROTNET = {"MODEL.META_ARCHITECTURE": "RotNet", "INPUT.SIZE_TRAIN": [32, 32]}


def drawings(count=5, size=32):
    torch.manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)


@pytest.fixture
def rotnet(challenge_config):
    torch.manual_seed(1)
    return build_model(challenge_config(**ROTNET))


def test_the_network_sees_four_turns_of_every_image_and_the_turn_is_the_class(rotnet):
    images, seen = drawings(), []
    rotnet.backbone.register_forward_hook(lambda module, arguments, maps: seen.append((arguments[0], maps)))
    losses = rotnet(images)
    assert set(losses) == {"loss_rotation"}
    (shown, maps) = seen[0]
    turned = [np.rot90(image[0].numpy(), turns) for turns in range(4) for image in images]
    expected = rotnet.normalise(torch.from_numpy(np.stack(turned).copy()).unsqueeze(1))
    torch.testing.assert_close(shown, expected)
    logits = (rotnet.heads.pool_layer(maps).flatten(1) @ rotnet.heads.weight.T).double()
    truth = [logits[row].logsumexp(0) - logits[row, row // 5] for row in range(20)]
    torch.testing.assert_close(losses["loss_rotation"].double(), sum(truth) / 20)


def test_features_are_the_pooled_maps_of_the_unrotated_image(rotnet):
    rotnet.eval()
    with torch.no_grad():
        maps = rotnet.backbone(rotnet.normalise(drawings()))
        torch.testing.assert_close(rotnet(drawings()), rotnet.heads.pool_layer(maps).flatten(1))


@pytest.mark.slow
def test_it_learns_to_classify_the_turns(rotnet):
    optimizer = torch.optim.Adam(rotnet.parameters(), 1e-3)
    losses = []
    for _ in range(10):
        loss = sum(rotnet(drawings()).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1 and losses[-1] < 0.3 * losses[0]


def test_the_next_stage_loads_its_backbone(rotnet, challenge_config):
    classifier = build_model(challenge_config(classes=37))
    head = classifier.heads.weight.clone()
    report = load_weights(classifier, rotnet.state_dict())
    assert [row.name for row in report.reshaped] == ["heads.weight"]
    for name, value in rotnet.backbone.state_dict().items():
        assert torch.equal(classifier.backbone.state_dict()[name], value), name
    assert torch.equal(classifier.heads.weight, head)


def test_there_are_four_classes_whatever_the_number_of_identities(challenge_config):
    for classes, pooling in ((1, "GlobalAvgPool"), (33364, "GeneralizedMeanPooling")):
        model = build_model(challenge_config(classes=classes, **ROTNET, **{"MODEL.HEADS.POOL_LAYER": pooling}))
        assert model.heads.weight.shape == (4, 512)


def test_images_that_are_not_square_are_refused(challenge_config):
    with pytest.raises(ConfigError, match="INPUT.SIZE_TRAIN: .*square, not 32 x 48"):
        build_model(challenge_config(**{**ROTNET, "INPUT.SIZE_TRAIN": [32, 48]}))
