"""Two towers: each image passes the tower of its domain, in any order and number."""

import warnings

import pytest
import torch
import torch.distributed as dist
from yacs.config import CfgNode

from fastpatent.distributed import share_gradients
from fastpatent.errors import CheckpointError
from fastpatent.models import build_model
from tests.forked import in_two_processes
from tests.waiting import NothingWaits

pytestmark = pytest.mark.slow

TWO = {
    "MODEL.META_ARCHITECTURE": "TwoBranch",
    "MODEL.BACKBONE.NAME": "timm",
    "MODEL.BACKBONE.TIMM_NAME": "test_convnext",
    "MODEL.BACKBONE.DROP_PATH_RATIO": 0.0,
    "MODEL.HEADS.CLS_LAYER": "Linear",
    "MODEL.HEADS.WITH_BNNECK": False,
    "INPUT.SIZE_TRAIN": [32, 32],
    "INPUT.SIZE_TEST": [32, 32],
}
TARGETS = torch.tensor([0, 0, 1, 1, 2, 2])
MIXES = [[0, 1, 0, 1, 0, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0] * 6, [1] * 6]


def images(count=6, size=32):
    torch.manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)


@pytest.fixture
def two_branch(challenge_config):
    """Function of further keys: a TwoBranch with different weights in its towers."""

    def make(**settings):
        torch.manual_seed(1)
        model = build_model(challenge_config(classes=3, **{**TWO, **settings}))
        with torch.no_grad():
            for parameter in model.photo_backbone.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        return model

    return make


def one_by_one(model, domains):
    """The feature maps of each image alone, from the tower of its domain."""
    towers = model.backbone, model.photo_backbone
    return torch.cat([towers[d](model.normalise(image[None])) for image, d in zip(images(), domains)])


def test_in_evaluation_each_image_passes_its_tower(two_branch):
    model = two_branch().eval()
    for domains in MIXES:
        with torch.no_grad():
            expected = model.heads(one_by_one(model, domains))
            found = model(images(), domains=torch.tensor(domains))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5, msg=str(domains))


def test_without_domains_all_are_drawings(two_branch):
    model = two_branch().eval()
    with torch.no_grad():
        found = model(images())
        torch.testing.assert_close(found, model(images(), domains=torch.zeros(6, dtype=torch.int64)))
        photos = model(images(), domains=torch.ones(6, dtype=torch.int64))
    assert (found - photos).abs().max() > 1e-2


def test_gradients_are_those_of_each_tower_and_every_parameter_has_one(two_branch):
    model, twin = two_branch(), two_branch()
    for domains in MIXES:
        twin.zero_grad()
        output = twin.heads(one_by_one(twin, domains), TARGETS)
        sum(twin.objective_losses(output, TARGETS).values()).backward()
        for dtype, error in ((torch.float32, 1e-4), (torch.bfloat16, 0.3)):
            model.zero_grad()
            with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                losses = model(images(), TARGETS, torch.tensor(domains))
                sum(losses.values()).backward()
            for (name, found), truth in zip(model.named_parameters(), twin.parameters()):
                if found.requires_grad:
                    empty = name.startswith("photo_backbone.") and 1 not in domains
                    empty |= name.startswith("backbone.") and 0 not in domains
                    assert (truth.grad is None) == empty, (domains, dtype, name)
                    expected = torch.zeros_like(found) if empty else truth.grad
                    assert (found.grad - expected).norm() <= error * expected.norm(), (domains, dtype, name)


def test_the_batch_norms_of_a_tower_without_images_are_unchanged(two_branch):
    model = two_branch(**{"MODEL.BACKBONE.NAME": "build_resnet_backbone"})
    for domain, tower, other in ((0, "backbone", "photo_backbone"), (1, "photo_backbone", "backbone")):
        before = {name: value.clone() for name, value in model.named_buffers()}
        model(images(), TARGETS, torch.full((6,), domain))
        moved = {name.split(".")[0] for name, value in model.named_buffers() if not torch.equal(value, before[name])}
        assert tower in moved and other not in moved


def test_a_frozen_tower_takes_no_gradient(two_branch):
    model = two_branch()
    model.photo_backbone.requires_grad_(False)
    sum(model(images(), TARGETS, torch.zeros(6, dtype=torch.int64)).values()).backward()
    assert all(parameter.grad is None for parameter in model.photo_backbone.parameters())


def test_nothing_waits_for_the_device(two_branch):
    model = two_branch()
    for domains in MIXES:
        with NothingWaits() as watched:
            sum(model(images(), TARGETS, torch.tensor(domains)).values()).backward()
        assert watched.calls > 100, domains


def test_layers_and_inputs_of_both_towers(two_branch):
    model = two_branch()
    assert list(model.backbones) == list(model.backbone_inputs(images())) == ["backbone", "photo_backbone"]
    for name, backbone in model.backbones.items():
        assert model.layer_depths(name).keys() == dict(backbone.named_parameters()).keys()


def gradients_of_share(rank, given):
    """Return the gradients of the second step over this process's half of the batch, averaged over both processes."""
    network = build_model(CfgNode.load_cfg(given["config"]))
    network.load_state_dict(given["state"])
    network.register_buffer("of_this_process", torch.tensor(rank))
    with warnings.catch_warnings(action="error"):
        model = share_gradients(network)
    rows = slice(3 * rank, 3 * rank + 3)
    for _ in range(2):
        model.zero_grad()
        sum(model(*(given[name][rows] for name in ("images", "targets", "domains"))).values()).backward()
    assert network.of_this_process == rank
    return [parameter.grad for parameter in network.parameters()]


def write_gradients(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(gradients_of_share(rank, torch.load(folder / "given.pt")), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_processes_with_images_of_one_domain_exchange_gradients(two_branch, challenge_config, tmp_path):
    """One process has the drawings, the other the photographs; both get the gradients of the whole batch."""
    losses, domains = {"MODEL.LOSSES.NAME": ("CrossEntropyLoss",)}, torch.tensor([0, 0, 0, 1, 1, 1])
    model, config = two_branch(**losses), challenge_config(classes=3, **TWO, **losses).dump()
    given = {"config": config, "state": model.state_dict(), "images": images(), "targets": TARGETS, "domains": domains}
    torch.save(given, tmp_path / "given.pt")
    in_two_processes(write_gradients, tmp_path)
    sum(model(images(), TARGETS, domains).values()).backward()
    found = torch.load(tmp_path / "0.pt")
    for (name, parameter), gradient in zip(model.named_parameters(), found, strict=True):
        if parameter.requires_grad:
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-6, msg=name)


@pytest.fixture
def tower_files(challenge_config, tmp_path):
    """Checkpoints of two Baselines from stage 1: [path, path], and the weights of their backbones."""
    paths, states = [], []
    for seed in (5, 6):
        torch.manual_seed(seed)
        model = build_model(challenge_config(classes=9, **{**TWO, "MODEL.META_ARCHITECTURE": "Baseline"}))
        paths.append(str(tmp_path / f"{seed}.pth"))
        torch.save({"model": model.state_dict(), "epoch": 1, "metric": 0.5}, paths[-1])
        states.append(model.backbone.state_dict())
    return paths, states


def assert_same(module, state):
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_towers_start_from_their_files(challenge_config, tower_files, caplog):
    paths, states = tower_files
    model = build_model(challenge_config(**TWO, **{"MODEL.TOWER_WEIGHTS": paths}))
    assert_same(model.backbone, states[0])
    assert_same(model.photo_backbone, states[1])
    assert not caplog.records
    torch.manual_seed(3)
    one = build_model(challenge_config(**TWO, **{"MODEL.TOWER_WEIGHTS": [paths[0], ""]}))
    torch.manual_seed(3)
    none = build_model(challenge_config(**TWO))
    assert_same(one.backbone, states[0])
    assert_same(one.photo_backbone, none.backbone.state_dict())
    assert_same(none.photo_backbone, none.backbone.state_dict())
    with_weights = {"MODEL.TOWER_WEIGHTS": ["nowhere.pth", ""], "MODEL.WEIGHTS": "loaded/later.pth"}
    build_model(challenge_config(**TWO, **with_weights))


def test_missing_parameters_of_a_tower_are_logged_and_another_network_is_refused(challenge_config, tower_files, caplog):
    paths, _ = tower_files
    content = torch.load(paths[1], weights_only=True)
    del content["model"]["backbone.trunk.stem.0.bias"]
    torch.save(content, paths[1])
    build_model(challenge_config(**TWO, **{"MODEL.TOWER_WEIGHTS": paths}))
    assert f"{paths[1]}: " in caplog.text and f"{paths[0]}: " not in caplog.text
    assert "stem.0.bias" in caplog.text and "not in the file" in caplog.text
    other = {**TWO, "MODEL.BACKBONE.NAME": "build_resnet_backbone", "MODEL.TOWER_WEIGHTS": paths}
    with pytest.raises(CheckpointError, match="belongs to another network"):
        build_model(challenge_config(**other))
