"""Sampled classes against a run with all classes and an explicit optimizer; resuming, errors and device memory."""

import logging
import weakref

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from fastpatent.config import get_cfg
from fastpatent.device import Precision
from fastpatent.engine.checkpoint import load_checkpoint
from fastpatent.engine.prefetch import Batch
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import ConfigError, FastPatentError
from fastpatent.heads import HEADS
from fastpatent.heads.sampled_classes import ClassExchange, build_class_exchange, sample_classes
from fastpatent.losses.cross_entropy import cross_entropy
from fastpatent.models import Network, build_model
from fastpatent.models.trained import load_trained
from fastpatent.models.weights import load_weights
from tests.engine.steps import loader_of
from tests.forked import in_two_processes

CPU = torch.device("cpu")
CLASSES, BATCH, PIXELS = 40, 8, 6


def config(**keys):
    """A small config with all settings that act on class weights."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.MODEL.HEADS.CLS_LAYER = CLASSES, "ArcSoftmax"
    cfg.MODEL.HEADS.SCALE, cfg.MODEL.HEADS.MARGIN = 8, 0.2
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR, cfg.SOLVER.WARMUP_ITERS = BATCH, 0.01, 3
    cfg.SOLVER.HEADS_LR_FACTOR, cfg.SOLVER.CLIP_GRADIENTS.ENABLED = 2.0, True
    for key, value in keys.items():
        cfg.merge_from_list([key.replace("__", "."), value])
    return cfg


class LinearNetwork(Network):
    """One linear layer and the head."""

    def __init__(self, cfg, width):
        super().__init__()
        self.backbone = nn.Linear(PIXELS, width)
        self.heads = HEADS.get("EmbeddingHead")(cfg, width)

    @property
    def head(self):
        return self.heads

    @property
    def classifier_weight(self):
        return self.heads.weight

    def forward(self, images, targets, domains):
        output = self.heads(self.backbone(images.flatten(1).float())[..., None, None], targets)
        return {"loss_cls": cross_entropy(output.logits, output.columns)}


def trainer_of(cfg, checkpoint=None, width=5, device=CPU):
    torch.manual_seed(0)
    model, precision = LinearNetwork(cfg, width).to(device).train(), Precision(torch.float32, "")
    return Trainer(cfg, model, loader_of(cfg), device, precision, evaluate=None, checkpoint=checkpoint)


def batch_of(step, rank=0, processes=1):
    """The batch of an iteration, or the part of a process."""
    random = torch.Generator().manual_seed(step)
    images = torch.randint(0, 9, (BATCH, 1, 2, PIXELS // 2), generator=random, dtype=torch.uint8)
    targets = torch.randint(0, CLASSES, (BATCH,), generator=random)
    whole = Batch(images, targets, torch.zeros_like(targets), torch.arange(BATCH))
    return whole.parts(processes)[rank]


def take_steps(trainer, steps):
    for step in steps:
        trainer.step(batch_of(step))
    return trainer


def assert_same_bits(one, two):
    """Compare two trainers: weights and optimizer states."""
    states = [trainer.model.state_dict() for trainer in (one, two)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(states[1][name], value), name
    states = [trainer.optimizer.state_dict()["state"] for trainer in (one, two)]
    assert states[0].keys() == states[1].keys()
    for number, values in states[0].items():
        for name, value in values.items():
            assert torch.equal(states[1][number][name], value), (number, name)


@pytest.mark.parametrize(
    "optimizer, centers, parts",
    [("Adam", 1, 1), ("Adam", 3, 2), ("AdamW", 1, 2), ("AdamW", 3, 1), ("SGD", 1, 1), ("SGD", 3, 2)],
)
def test_all_classes_sampled_give_the_bits_of_a_plain_run(optimizer, centers, parts):
    keys = {"SOLVER__OPT": optimizer, "MODEL__HEADS__SUB_CENTERS": centers, "SOLVER__GRAD_ACCUM_STEPS": parts}
    plain = take_steps(trainer_of(config(**keys)), range(6))
    sampled = take_steps(trainer_of(config(**keys, MODEL__HEADS__SAMPLED_CLASSES=CLASSES + 9)), range(6))
    assert sampled.exchange and not plain.exchange
    assert_same_bits(plain, sampled)
    assert len(sampled.model.state_dict()["heads.weight"]) == CLASSES * centers


def test_sampled_steps_meet_the_formula_of_adam_written_out_row_by_row():
    """Float64, all rows in one table, no clipping; the network is frozen, so that only the class weights learn."""
    cfg = config(MODEL__HEADS__SAMPLED_CLASSES=12, SOLVER__CLIP_GRADIENTS__ENABLED=False, SOLVER__WARMUP_ITERS=0)
    cfg.SOLVER.BASE_LR = 0.05
    trainer = trainer_of(cfg)
    trainer.model.backbone.requires_grad_(False)
    table = trainer.model.heads.sampled.table.double()
    first, second = torch.zeros_like(table), torch.zeros_like(table)
    for step in range(5):
        batch = batch_of(step)
        with torch.no_grad():
            features = trainer.model.backbone(batch.images.flatten(1).float()).double()
        classes = sample_classes(batch.targets.unique(), CLASSES, 12, (cfg.SEED, step))
        rows = table[classes].requires_grad_()
        cosine = nn.functional.normalize(features) @ nn.functional.normalize(rows).T
        right = batch.targets[:, None] == classes
        logits = 8 * torch.where(right, (cosine.clamp(-1, 1).acos() + 0.2).cos(), cosine)
        (-(logits.log_softmax(1) * right).sum(1).mean()).backward()
        gradient = rows.grad + cfg.SOLVER.WEIGHT_DECAY * rows.detach()
        first[classes] = 0.9 * first[classes] + 0.1 * gradient
        second[classes] = 0.999 * second[classes] + 0.001 * gradient**2
        corrected = first[classes] / (1 - 0.9 ** (step + 1)), second[classes] / (1 - 0.999 ** (step + 1))
        table[classes] -= 0.1 * corrected[0] / (corrected[1].sqrt() + 1e-8)  # BASE_LR times HEADS_LR_FACTOR
        trainer.step(batch)
    found = trainer.model.state_dict()["heads.weight"]
    torch.testing.assert_close(found.double(), table, rtol=1e-4, atol=1e-5)
    state = trainer.optimizer.state_dict()["state"][trainer.exchange._number()]
    torch.testing.assert_close(state["exp_avg"].double(), first, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(state["exp_avg_sq"].double(), second, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_rows_and_moments_arrive_whole_on_the_device_and_back(device):
    """Copied without waiting: a buffer that was used again too early would show here."""
    cfg = config(MODEL__HEADS__SAMPLED_CLASSES=10)
    trainer = trainer_of(cfg, device=torch.device(device))
    exchange, sampled, weight = trainer.exchange, trainer.model.heads.sampled, trainer.model.heads.weight
    for step in range(4):
        batch = batch_of(step)
        exchange.draw(batch.targets.to(device), step)
        classes = sample_classes(batch.targets.unique(), CLASSES, 10, (cfg.SEED, step))
        assert torch.equal(sampled.classes.cpu(), classes) and torch.equal(weight.cpu(), sampled.table[classes])
        assert exchange.moments.keys() == (set() if step == 0 else {"exp_avg", "exp_avg_sq"})
        state = trainer.optimizer.state[weight]
        assert all(torch.equal(state[name].cpu(), table[classes]) for name, table in exchange.moments.items())
        weight.grad = torch.full_like(weight, step + 1.0)
        trainer.optimizer.step()
        assert torch.equal(weight.cpu(), sampled.table[classes])
        assert all(torch.equal(state[name].cpu(), table[classes]) for name, table in exchange.moments.items())


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_classes_that_are_not_drawn_do_not_change(optimizer):
    trainer = take_steps(trainer_of(config(MODEL__HEADS__SAMPLED_CLASSES=10, SOLVER__OPT=optimizer)), range(3))
    before = trainer.model.state_dict()["heads.weight"].clone()
    moments = {name: value.clone() for name, value in trainer.exchange.moments.items()}
    trainer.step(batch_of(3))
    drawn = torch.zeros(CLASSES, dtype=torch.bool)
    drawn[trainer.model.heads.sampled.classes] = True
    assert drawn.sum() == 10 and drawn[batch_of(3).targets].all() and moments
    for old, new in [
        (before, trainer.model.state_dict()["heads.weight"]),
        *zip(moments.values(), trainer.exchange.moments.values()),
    ]:
        assert torch.equal(old[~drawn], new[~drawn])
        assert (old[drawn] != new[drawn]).any(dim=1).all()


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
@pytest.mark.parametrize("sampled", [10, 0])
def test_a_resumed_run_has_the_same_bits(optimizer, sampled, tmp_path):
    cfg = config(MODEL__HEADS__SAMPLED_CLASSES=sampled, SOLVER__OPT=optimizer, OUTPUT_DIR=str(tmp_path))
    whole = take_steps(trainer_of(cfg), range(6))
    path = take_steps(trainer_of(cfg), range(3)).save("stopped.pth")
    resumed = take_steps(trainer_of(cfg, load_checkpoint(path)), range(3, 6))
    assert_same_bits(whole, resumed)


def test_a_run_may_be_resumed_with_another_sample_or_none(tmp_path):
    def last_step(saved, resumed):
        cfg = config(MODEL__HEADS__SAMPLED_CLASSES=saved, OUTPUT_DIR=str(tmp_path))
        path = take_steps(trainer_of(cfg), range(3)).save("stopped.pth")
        cfg = config(MODEL__HEADS__SAMPLED_CLASSES=resumed)
        return take_steps(trainer_of(cfg, load_checkpoint(path)), [3])

    assert_same_bits(last_step(0, 0), last_step(0, CLASSES))
    assert_same_bits(last_step(10, CLASSES), last_step(10, 0))


def test_a_refused_step_changes_neither_weights_nor_moments():
    trainer = take_steps(trainer_of(config(MODEL__HEADS__SAMPLED_CLASSES=10)), range(3))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    moments = {name: value.clone() for name, value in trainer.exchange.moments.items()}
    with torch.no_grad():
        trainer.model.backbone.bias.fill_(float("nan"))
    trainer.step(batch_of(3))
    assert torch.equal(trainer.model.state_dict()["heads.weight"], before["heads.weight"])
    assert moments and all(torch.equal(value, trainer.exchange.moments[name]) for name, value in moments.items())
    with pytest.raises(FastPatentError, match="nan"):
        trainer._guard.check()


def test_the_sample_has_the_needed_classes_and_follows_from_seed_and_iteration():
    needed = torch.tensor([3, 30, 17])
    samples = [sample_classes(needed, CLASSES, 10, (1, iteration)) for iteration in range(2000)]
    assert all(torch.equal(sample, sample.unique()) and len(sample) == 10 for sample in samples)  # unique sorts
    assert all(torch.isin(needed, sample).all() for sample in samples)
    assert torch.equal(samples[5], sample_classes(needed.flip(0), CLASSES, 10, (1, 5)))
    assert not torch.equal(samples[5], samples[6])
    assert not torch.equal(samples[5], sample_classes(needed, CLASSES, 10, (2, 5)))
    share = torch.cat(samples).bincount(minlength=CLASSES) / len(samples)
    others = np.setdiff1d(np.arange(CLASSES), needed)
    assert (share[needed] == 1).all()
    # 7 of the 37 others each time: within five standard deviations of the binomial distribution
    assert (share[others] - 7 / 37).abs().max() < 5 * (7 / 37 * 30 / 37 / len(samples)) ** 0.5


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"SOLVER__OPT": "RMSprop"}, "MODEL.HEADS.SAMPLED_CLASSES: SOLVER.OPT must be one of Adam"),
        ({"MODEL__HEADS__SAMPLED_CLASSES": 3}, r"MODEL.HEADS.SAMPLED_CLASSES is 3.*SOLVER.IMS_PER_BATCH"),
    ],
)
def test_settings_that_do_not_fit_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        take_steps(trainer_of(config(**{"MODEL__HEADS__SAMPLED_CLASSES": 10, **keys})), range(1))


def test_a_network_without_class_weights_is_refused():
    with pytest.raises(ConfigError, match="MODEL.HEADS.SAMPLED_CLASSES: Baseline has no class weights"):
        build_class_exchange(config(MODEL__HEADS__SAMPLED_CLASSES=10), nn.Linear(2, 2), None)


def test_the_table_stays_on_the_cpu():
    head = LinearNetwork(config(MODEL__HEADS__SAMPLED_CLASSES=10), 5).to("meta").heads
    assert head.weight.is_meta and head.sampled.classes.is_meta and len(head.weight) == 10
    assert head.sampled.table.device == CPU and len(head.sampled.table) == CLASSES


def test_the_weights_file_serves_evaluation_and_a_plain_second_stage(tmp_path, caplog):
    small = ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "INPUT.SIZE_TRAIN", [32, 32]]
    cfg = config(MODEL__HEADS__SAMPLED_CLASSES=10, MODEL__WEIGHTS=str(tmp_path / "model.pth"))
    cfg.merge_from_list([*small, "INPUT.SIZE_TEST", [32, 32]])
    trained = build_model(cfg)
    torch.save({"model": trained.state_dict()}, cfg.MODEL.WEIGHTS)
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    cfg.MODEL.HEADS.NUM_CLASSES = 0  # as in the test configurations
    caplog.set_level(logging.INFO)
    found = load_trained(cfg, CPU)
    torch.testing.assert_close(found(images), trained.eval()(images))
    assert len(caplog.messages) == 1 and "heads.weight" not in caplog.text
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.MODEL.HEADS.SAMPLED_CLASSES = CLASSES, 0
    second = build_model(cfg)
    load_weights(second, cfg.MODEL.WEIGHTS)
    assert torch.equal(second.heads.weight, trained.heads.sampled.table)


def test_weights_of_another_number_of_classes_are_refused():
    state = LinearNetwork(config(MODEL__HEADS__NUM_CLASSES=10), 5).state_dict()
    sampled = LinearNetwork(config(MODEL__HEADS__SAMPLED_CLASSES=10), 5)  # its parameter has as many rows
    with pytest.raises(RuntimeError, match="size mismatch for heads.weight"):
        sampled.load_state_dict(state)


def share_of_steps(rank, folder, sampled):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    trainer = trainer_of(config(MODEL__HEADS__SAMPLED_CLASSES=sampled, SOLVER__OPT="SGD"))
    for step in range(4):
        trainer.step(batch_of(step, rank, 2))
    torch.save(trainer.model.state_dict(), f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    in_two_processes(share_of_steps, tmp_path, 12)
    one = take_steps(trainer_of(config(MODEL__HEADS__SAMPLED_CLASSES=12, SOLVER__OPT="SGD")), range(4)).model.state_dict()
    two = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    start = trainer_of(config(MODEL__HEADS__SAMPLED_CLASSES=12)).model.state_dict()
    for name, value in one.items():
        assert torch.equal(two[0][name], two[1][name]), name
        assert (two[0][name] - value).norm() < 1e-4 * (value - start[name]).norm(), name


class DeviceBytes(TorchDispatchMode):
    """Counts the bytes of all live storages used by an iteration, except while `paused`; `peak` is the maximum."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak, self.paused, self._seen = 0, 0, False, set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in () if self.paused else tree_iter((args, kwargs, result)):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        place = storage._cdata
        if place not in self._seen:
            self._seen.add(place)
            self.alive += storage.nbytes()
            self.peak = max(self.peak, self.alive)
            weakref.finalize(storage, self._free, place, storage.nbytes())

    def _free(self, place, size):
        self._seen.discard(place)
        self.alive -= size


@pytest.fixture
def peak_bytes(monkeypatch):
    """Function of classes and sampled classes: peak device memory of the second iteration of a run, in bytes.

    Counts rows, gradients, moments, logits and intermediate results, on any device. Excludes what `draw` and the copy back
    do with the table in host memory; on the device they only write to rows and moments, which are counted anyway.
    """
    counted = []

    def paused(function):
        def wrapped(*arguments):
            for counter in counted:
                counter.paused = True
            function(*arguments)
            for counter in counted:
                counter.paused = False

        return wrapped

    for name in ("draw", "_store"):
        monkeypatch.setattr(ClassExchange, name, paused(getattr(ClassExchange, name)))

    def peak(classes, sampled):
        cfg = config(MODEL__HEADS__NUM_CLASSES=classes, MODEL__HEADS__SAMPLED_CLASSES=sampled)
        trainer = take_steps(trainer_of(cfg, width=32), [0])
        with DeviceBytes() as counter:
            counted.append(counter)
            trainer.step(batch_of(1))
        return counted.pop().peak

    return peak


def test_half_a_million_classes_train_in_the_memory_of_a_tenth(peak_bytes):
    few, many, sampled = peak_bytes(50_000, 0), peak_bytes(500_000, 0), peak_bytes(500_000, 50_000)
    assert few > 4 * 50_000 * 32 * 4  # rows, gradient and two moments
    assert many > 9 * few
    assert sampled < 1.02 * few
