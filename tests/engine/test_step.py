"""A training step: it waits for nothing, and parts of a batch add up to the whole."""

import pytest
import torch

from fastpatent.errors import ConfigError
from tests.engine.steps import LOSSES, settings, trainer_of
from tests.waiting import NothingWaits


@pytest.mark.parametrize(
    "optimizer, losses, hard",
    [
        ("Adam", LOSSES, True),
        ("SGD", LOSSES, False),
        ("Adam", ["CrossEntropyLoss"], True),
        ("SGD", ["TripletLoss"], False),
    ],
    ids=["all, hard", "all, soft", "logits", "pairs"],
)
def test_nothing_in_a_step_waits_for_the_device(optimizer, losses, hard):
    cfg = settings(SOLVER__OPT=optimizer, MODEL__LOSSES__NAME=losses, MODEL__LOSSES__TRI__HARD_MINING=hard)
    trainer, batch = trainer_of(cfg)
    trainer.step(batch)
    with NothingWaits() as watched:
        trainer.step(batch)
    assert watched.calls > 300


def test_what_waits_is_noticed():
    waits = {
        "item": lambda x: x.item(),
        "float": lambda x: float(x.max()),
        "mask": lambda x: x[x > 0],
        "bool": lambda x: bool((x > 0).any()),
        "nonzero": lambda x: x.nonzero(),
        "unique": lambda x: x.unique(),
    }
    for name, wait in waits.items():
        for inference in (True, False):
            noticed = ""
            try:
                with torch.inference_mode(inference), NothingWaits():
                    wait(torch.ones(1))
            except AssertionError as error:
                noticed = str(error)
            assert "waits for the device" in noticed, f"{name=}, {inference=}"


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_no_step_waits_for_the_gpu(dtype):
    trainer, batch = trainer_of(settings(), "cuda", dtype)
    for _ in range(3):
        trainer.step(batch)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step(batch)
        trainer._meter.send(None)
        arrived = trainer._meter.arrived()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert arrived + trainer._meter.arrived(wait=True)  # a fast GPU has it at once


def test_parts_give_the_gradient_of_the_whole_batch():
    """With a classification loss and a norm that sees one drawing at a time nothing else can differ."""
    keys = {"MODEL__BACKBONE__NORM": "GN", "MODEL__HEADS__WITH_BNNECK": False, "MODEL__BACKBONE__WITH_NL": False}
    gradients = {}
    for parts in (1, 2, 4):
        cfg = settings(**keys, SOLVER__GRAD_ACCUM_STEPS=parts, SOLVER__CLIP_GRADIENTS__ENABLED=False)
        cfg.MODEL.LOSSES.NAME, cfg.MODEL.BACKBONE.WITH_IBN = ["CrossEntropyLoss"], False
        trainer, batch = trainer_of(cfg, dtype=torch.float32)
        trainer.step(batch)
        gradients[parts] = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
        trainer._meter.send("sent")
        gradients[parts]["total"] = torch.tensor(trainer._meter.arrived()[0][1]["total"])
    for parts in (2, 4):
        assert gradients[1].keys() == gradients[parts].keys()
        for name, truth in gradients[1].items():
            atol = 1e-4 * float(truth.abs().max())
            torch.testing.assert_close(gradients[parts][name], truth, rtol=1e-4, atol=atol, msg=f"{parts=}, {name}")


def test_parts_that_do_not_divide_the_batch_are_refused():
    for parts, words in ((3, "8 images a process do not divide into 3"), (8, "8 equal parts of whole identities")):
        with pytest.raises(ConfigError, match=f"SOLVER.GRAD_ACCUM_STEPS.*{words}"):
            trainer_of(settings(SOLVER__GRAD_ACCUM_STEPS=parts))
