"""The cross-batch memory against a Python queue, and in training runs."""

from collections import deque

import pytest
import torch
import torch.distributed as dist

from fastpatent.config import get_cfg
from fastpatent.device import Precision
from fastpatent.engine.checkpoint import load_checkpoint
from fastpatent.engine.prefetch import Batch
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import ConfigError
from fastpatent.losses.circle import circle_loss
from fastpatent.losses.cross_batch_memory import EmbeddingMemory
from fastpatent.losses.pairs import EMPTY, Past
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights
from tests.engine.steps import loader_of
from tests.forked import in_two_processes
from tests.waiting import NothingWaits

BATCH = 8


def test_it_holds_the_newest_drawings():
    for size in [4, 10, 12]:
        torch.manual_seed(0)
        memory, queue = EmbeddingMemory(size, 3), deque(maxlen=size)
        for step in range(9):
            rows, labels = torch.randn(4, 3), torch.arange(4) + 4 * step
            memory.add(rows.bfloat16() if step == 5 else rows, labels)
            queue.extend(zip(labels.tolist(), (rows.bfloat16().float() if step == 5 else rows).tolist()))
            past = memory.past()
            there = past.labels != EMPTY
            found = sorted(zip(past.labels[there].tolist(), past.embeddings[there].tolist()))
            assert found == sorted(queue), f"{size=}"


def test_it_is_empty_before_its_start():
    memory = EmbeddingMemory(20, 3, start=9)
    for step in range(5):
        assert (memory.past().labels != EMPTY).sum() == (0 if 4 * step < 9 else 4 * step)
        memory.add(torch.randn(4, 3), torch.arange(4))


def test_rows_that_are_not_finite_are_not_stored():
    memory = EmbeddingMemory(8, 2)
    rows = torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [0.0, float("inf")], [3.0, 4.0]])
    memory.add(rows, torch.arange(4))
    assert memory.past().labels.tolist() == [0, EMPTY, EMPTY, 3, *[EMPTY] * 4]
    assert memory.past().embeddings.isfinite().all()


def config(**keys):
    """A small network with pair losses and a memory that starts at iteration 2."""
    cfg = get_cfg()
    cfg.merge_from_list([
        "MODEL.DEVICE", "cpu", "MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext",
        "MODEL.BACKBONE.DROP_PATH_RATIO", 0.0, "INPUT.SIZE_TRAIN", [32, 32], "INPUT.SIZE_TEST", [32, 32],
        "MODEL.HEADS.NUM_CLASSES", 6, "MODEL.HEADS.EMBEDDING_DIM", 7, "MODEL.HEADS.NECK_FEAT", "after",
        "MODEL.LOSSES.NAME", ["CrossEntropyLoss", "TripletLoss", "CircleLoss", "Cosface"],
        "MODEL.LOSSES.TRI.MARGIN", 5.0, "MODEL.LOSSES.XBM.ENABLED", True, "MODEL.LOSSES.XBM.SIZE", 20,
        "MODEL.LOSSES.XBM.START_ITER", 2, "SOLVER.IMS_PER_BATCH", BATCH, "SOLVER.WARMUP_ITERS", 0,
        "SOLVER.OPT", "SGD", "SOLVER.BASE_LR", 1e-4,
    ])  # fmt: skip
    for key, value in keys.items():
        cfg.merge_from_list([key.replace("__", "."), value])
    return cfg


def trainer_of(cfg, checkpoint=None):
    torch.manual_seed(0)
    model, precision = build_model(cfg).train(), Precision(torch.float32, "")
    return Trainer(cfg, model, loader_of(cfg), torch.device("cpu"), precision, evaluate=None, checkpoint=checkpoint)


def batch_of(step):
    random = torch.Generator().manual_seed(step)
    images = torch.randint(0, 256, (BATCH, 1, 32, 32), generator=random, dtype=torch.uint8)
    targets = torch.randint(0, 6, (BATCH,), generator=random)
    return Batch(images, targets, torch.zeros_like(targets), torch.arange(BATCH))


def test_a_run_compares_with_the_drawings_of_past_steps():
    model = build_model(config(MODEL__LOSSES__NAME=["CircleLoss"])).train()
    rows, labels = [], []
    for step in range(5):
        batch = batch_of(step)
        loss = model(batch.images, batch.targets)["loss_circle"]
        embeddings = model.heads(model.backbone(model.normalise(batch.images)), batch.targets).embeddings
        past = None
        if step >= 2:
            past = Past(torch.cat(rows)[-20:], torch.cat(labels)[-20:])
            assert loss != circle_loss(embeddings, batch.targets)
        expected = circle_loss(embeddings, batch.targets, past=past)
        torch.testing.assert_close(loss, expected)
        weight = model.heads.bottleneck[0].weight
        torch.testing.assert_close(*(torch.autograd.grad(value, weight) for value in (loss, expected)))
        rows.append(embeddings.detach())
        labels.append(batch.targets)


def test_nothing_waits_for_the_device():
    trainer = trainer_of(config())
    for step in range(3):
        trainer.step(batch_of(step))
    with NothingWaits() as watched:
        trainer.step(batch_of(3))
    assert watched.calls > 300


def test_a_resumed_run_has_the_same_bits(tmp_path):
    cfg = config(OUTPUT_DIR=str(tmp_path))
    whole, stopped = trainer_of(cfg), trainer_of(cfg)
    for step in range(6):
        whole.step(batch_of(step))
    for step in range(4):
        stopped.step(batch_of(step))
    resumed = trainer_of(cfg, load_checkpoint(stopped.save("stopped.pth")))
    for step in range(4, 6):
        resumed.step(batch_of(step))
    expected, found = whole.model.state_dict(), resumed.model.state_dict()
    assert (expected["memory.labels"] != EMPTY).all()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_a_weights_file_is_read_without_it_and_into_it():
    trained = build_model(config())
    trained.memory.add(torch.randn(BATCH, 7), torch.arange(BATCH))
    for keys in ({"MODEL__LOSSES__XBM__ENABLED": False}, {"MODEL__LOSSES__XBM__SIZE": 9}):
        model = build_model(config(**keys))
        report = load_weights(model, trained.state_dict())
        assert not report.missing and not report.unexpected and not report.reshaped
        assert torch.equal(model.heads.weight, trained.heads.weight)
        assert model.memory is None or (model.memory.labels == EMPTY).all()
    assert not [name for name in build_model(config(MODEL__LOSSES__XBM__ENABLED=False)).state_dict() if "memory" in name]


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"MODEL__LOSSES__NAME": ["CrossEntropyLoss"]}, "MODEL.LOSSES.XBM: no loss compares all pairs"),
        ({"MODEL__LOSSES__XBM__SIZE": 7}, "MODEL.LOSSES.XBM.SIZE: 7 is less than a batch, SOLVER.IMS_PER_BATCH 8"),
    ],
)
def test_a_memory_that_nothing_reads_is_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        build_model(config(**keys))


def half_of_steps(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    trainer = trainer_of(config())
    for step in range(4):
        trainer.step(batch_of(step).parts(2)[rank])
    torch.save(trainer.model.state_dict(), f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_remember_what_one_remembers(tmp_path):
    in_two_processes(half_of_steps, tmp_path)
    one = trainer_of(config())
    for step in range(4):
        one.step(batch_of(step))
    start = build_model(config()).state_dict()
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pth")
        assert torch.equal(state["memory.labels"], one.model.memory.labels)
        torch.testing.assert_close(state["memory.embeddings"], one.model.memory.embeddings, rtol=1e-4, atol=1e-4)
        assert start.keys() == state.keys()
