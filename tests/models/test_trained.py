"""Networks for evaluation, with the weights that the configuration names."""

import logging

import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from fastpatent.models.trained import load_trained, refuse_descriptor
from tests.models.pairs import CAPTIONS, config, drawings

CPU = torch.device("cpu")


def test_trained_weights_are_loaded_and_classes_do_not_matter(challenge_config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    torch.manual_seed(0)
    trained = build_model(challenge_config(classes=7)).eval()
    torch.save({"model": trained.state_dict()}, tmp_path / "model_best.pth")
    network = load_trained(challenge_config(classes=0, **{"MODEL.WEIGHTS": str(tmp_path / "model_best.pth")}), CPU)
    assert not network.training
    assert torch.equal(network(drawings()), trained(drawings()))
    (record,) = caplog.records
    assert "model_best.pth: " in record.getMessage() and len(record.getMessage().splitlines()) == 1


def test_weights_with_a_neck_load_as_they_are_for_the_features_before_it(challenge_config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    torch.manual_seed(0)
    trained = build_model(challenge_config(classes=7)).eval()
    norm = trained.heads.bottleneck[0]
    torch.nn.init.normal_(norm.running_mean)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    torch.save({"model": trained.state_dict()}, tmp_path / "model_best.pth")
    before = {"MODEL.WEIGHTS": str(tmp_path / "model_best.pth"), "TEST.NECK_FEAT": "before"}
    network = load_trained(challenge_config(classes=0, **before), CPU)
    assert " 0 missing, 0 without a place, 0 of another shape" in caplog.messages[0]
    features = network(drawings()).double()
    pooled = trained.heads.pool_layer(trained.feature_maps(drawings())).flatten(1)
    torch.testing.assert_close(features, pooled.double(), rtol=1e-4, atol=1e-5)
    after = (features - norm.running_mean) / (norm.running_var.double() + norm.eps).sqrt()
    torch.testing.assert_close(after, trained(drawings()).double(), rtol=1e-4, atol=1e-5)


def test_a_network_without_weights_is_refused(challenge_config, pair_file):
    for cfg in (challenge_config(classes=0), config(pair_file())):
        with pytest.raises(ConfigError, match="MODEL.WEIGHTS is empty: write the path of a trained network"):
            load_trained(cfg, CPU)


def test_a_descriptor_is_no_network(challenge_config):
    cfg = challenge_config(**{"DESCRIPTOR.NAME": "HOG", "MODEL.WEIGHTS": "model_best.pth"})
    for refuse in (refuse_descriptor, lambda cfg: load_trained(cfg, CPU)):
        with pytest.raises(ConfigError, match="DESCRIPTOR.NAME: HOG is not a network; use fastpatent test"):
            refuse(cfg)


@pytest.fixture
def pair(pair_file, tmp_path):
    """(JSON file, states of two PatentCLIPs, their paths)."""
    states, paths = [], [str(tmp_path / name) for name in ("pretrained.pt", "trained.pth")]
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        states.append(build_model(config(pair_file())).state_dict())
        torch.save({"model": states[-1]}, path)
    return pair_file(), states, paths


def test_pretrained_weights_alone_can_be_tested(pair):
    file, (expected, _), (path, _) = pair
    network = load_trained(config(file, MODEL__CLIP__PRETRAINED=path), CPU)
    assert network.pretrained and not network.training
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert network.embed_texts(network.tokenize(CAPTIONS)).shape == (6, 16)


def test_trained_weights_replace_the_pretrained_or_are_mixed_with_them(pair):
    file, (zero_shot, fine_tuned), (pretrained, trained) = pair
    for alpha in (1.0, 0.25):
        keys = {"MODEL__CLIP__PRETRAINED": pretrained, "MODEL__WEIGHTS": trained, "TEST__WISE_FT": alpha}
        network = load_trained(config(file, **keys), CPU)
        assert not network.pretrained
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, (1 - alpha) * zero_shot[name] + alpha * fine_tuned[name], msg=name)


def test_trained_weights_of_an_image_network_are_mixed_with_those_of_its_backbone(challenge_config, tmp_path):
    """The non-local blocks and the head, which the pretrained file lacks, stay as trained."""
    states = []
    for seed, name in enumerate(("pretrained.pth", "trained.pth")):
        torch.manual_seed(seed)
        network = build_model(challenge_config(classes=7))
        states.append(network.state_dict())
        lacking = "NL_" if name == "pretrained.pth" else "-"
        kept = network.backbone.state_dict() if lacking == "NL_" else states[-1]
        torch.save({key: value for key, value in kept.items() if lacking not in key}, tmp_path / name)
    keys = {"MODEL.WEIGHTS": str(tmp_path / "trained.pth"), "MODEL.BACKBONE.PRETRAIN_PATH": str(tmp_path / "pretrained.pth")}
    network = load_trained(challenge_config(classes=7, **keys, **{"TEST.WISE_FT": 0.25}), CPU)
    start, trained = states
    for name, value in network.state_dict().items():
        share = 0.25 if name.startswith("backbone.") and "NL_" not in name else 1.0
        if value.is_floating_point():
            torch.testing.assert_close(value, (1 - share) * start[name] + share * trained[name], msg=name)
