"""A training step: it waits for nothing, and parts of a batch add up to the whole."""

from types import SimpleNamespace

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.data.records import Sample
from fastpatent.device import Precision
from fastpatent.engine.prefetch import Batch
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from tests.waiting import NothingWaits

CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")
LOSSES = ["CrossEntropyLoss", "TripletLoss", "CircleLoss", "Cosface"]


def settings(**keys):
    """A small network with every kind of part, on 32 x 32 drawings."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BACKBONE.DEPTH, cfg.MODEL.BACKBONE.WITH_IBN, cfg.MODEL.BACKBONE.WITH_NL = "18x", True, True
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.MODEL.HEADS.WITH_BNNECK = 8, True
    cfg.MODEL.HEADS.POOL_LAYER, cfg.MODEL.HEADS.CLS_LAYER = "GeneralizedMeanPoolingP", "CircleSoftmax"
    cfg.MODEL.HEADS.SCALE, cfg.MODEL.HEADS.MARGIN = 64, 0.35
    cfg.MODEL.LOSSES.NAME = LOSSES
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.CLIP_GRADIENTS.ENABLED = 8, True
    cfg.DATALOADER.SAMPLER_TRAIN, cfg.DATALOADER.NUM_INSTANCE = "BalancedIdentitySampler", 2
    for key, value in keys.items():
        cfg.merge_from_list([key.replace("__", "."), value])
    return cfg


def trainer_of(cfg, device="cpu", dtype=torch.bfloat16):
    """A Trainer on no data, and one batch on its device."""
    torch.manual_seed(0)
    loader = SimpleNamespace(
        batches_per_epoch=10, samples=[Sample(f"{index}.png", None) for index in range(8)], augmentation=None
    )
    device = torch.device(device)
    trainer = Trainer(cfg, build_model(cfg).to(device).train(), loader, device, Precision(dtype, ""), None, None)
    images = torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8).to(device)
    targets = torch.arange(8).repeat_interleave(2)[:8].to(device)
    return trainer, Batch(images, targets, torch.zeros_like(targets), torch.arange(8))


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
@pytest.mark.parametrize("loss", LOSSES + ["all"])
@pytest.mark.parametrize("hard", [True, False])
def test_nothing_in_a_step_waits_for_the_device(optimizer, loss, hard):
    cfg = settings(SOLVER__OPT=optimizer, MODEL__LOSSES__TRI__HARD_MINING=hard)
    if loss != "all":
        cfg.MODEL.LOSSES.NAME = [loss]
    trainer, batch = trainer_of(cfg)
    trainer.step(batch)
    with NothingWaits() as watched:
        trainer.step(batch)
    assert watched.calls > 300


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.item(),
        lambda x: float(x.max()),
        lambda x: x[x > 0],
        lambda x: bool((x > 0).any()),
        lambda x: x.nonzero(),
        lambda x: x.unique(),
    ],
)
def test_the_watch_sees_what_waits(wait, inference):
    with torch.inference_mode(inference), NothingWaits(), pytest.raises(AssertionError, match="waits for the device"):
        wait(torch.ones(1))


@CARD
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_no_step_waits_for_the_card(dtype):
    trainer, batch = trainer_of(settings(), "cuda", dtype)
    for _ in range(3):
        trainer.step(batch)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step(batch)
        trainer._meter.send(None)
        trainer._meter.arrived()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer._meter.arrived(wait=True)


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_give_the_gradient_of_the_whole_batch(parts):
    """With a classification loss and a norm that sees one drawing at a time nothing else can differ."""
    keys = {"MODEL__BACKBONE__NORM": "GN", "MODEL__HEADS__WITH_BNNECK": False, "MODEL__BACKBONE__WITH_NL": False}
    gradients = []
    for count in (1, parts):
        cfg = settings(**keys, SOLVER__GRAD_ACCUM_STEPS=count, SOLVER__CLIP_GRADIENTS__ENABLED=False)
        cfg.MODEL.LOSSES.NAME, cfg.MODEL.BACKBONE.WITH_IBN = ["CrossEntropyLoss"], False
        trainer, batch = trainer_of(cfg, dtype=torch.float32)
        trainer.step(batch)
        gradients.append({name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None})
        trainer._meter.send("sent")
        gradients[-1]["total"] = torch.tensor(trainer._meter.arrived()[0][1]["total"])
    assert gradients[0].keys() == gradients[1].keys()
    for name, truth in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], truth, rtol=1e-4, atol=1e-4 * float(truth.abs().max()), msg=name)


@pytest.mark.parametrize("parts, words", [(3, "8 drawings a process do not divide into 3"), (8, "whole identities")])
def test_parts_that_cannot_be_are_refused(parts, words):
    with pytest.raises(ConfigError, match=f"SOLVER.GRAD_ACCUM_STEPS.*{words}"):
        trainer_of(settings(SOLVER__GRAD_ACCUM_STEPS=parts))
