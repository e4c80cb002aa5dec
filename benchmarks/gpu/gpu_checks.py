"""What only a GPU can show to be wrong, one line a check: `name: ok`, or `name: FAILED` and why.

Usage: python benchmarks/gpu/gpu_checks.py [--device cpu]

The checks are the same on the CPU, which shows that they work. The exit status is 1 where one has failed.
"""

import argparse
import os
import signal
import sys
import tempfile
import traceback
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from yacs.config import CfgNode

from fastpatent.config import load_config
from fastpatent.data.loader import build_train_loader
from fastpatent.device import Precision, extraction_precision, training_precision
from fastpatent.engine.checkpoint import read_last_checkpoint
from fastpatent.engine.prefetch import DeviceFeed
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import FastPatentError
from fastpatent.models import build_model, with_classes
from fastpatent.retrieval.ranking import rank

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from drawings import draw_small_set  # noqa: E402

BASE = Path(__file__).resolve().parents[2] / "configs" / "Base-scratch-R18.yml"
DESIGNS, SIDE = 10, 48
SMALL = """MODEL.BACKBONE.WITH_NL True INPUT.SIZE_TRAIN [32,32] INPUT.SIZE_TEST [32,32] INPUT.REA.ENABLED True
    DATASETS.NAMES ('Patent',) DATASETS.TESTS () DATALOADER.NUM_WORKERS 0 DATALOADER.NUM_INSTANCE 2 SOLVER.IMS_PER_BATCH 8
    SOLVER.MAX_EPOCH 1 SOLVER.WARMUP_ITERS 2 SOLVER.CLIP_GRADIENTS.ENABLED True""".split()
TINY = "MODEL.BACKBONE.NAME timm MODEL.BACKBONE.TIMM_NAME test_resnet".split()  # for what no backbone decides
# A network that normalises every image by itself, and plain descent: any split of a batch then learns the same.
BY_ITSELF = """MODEL.BACKBONE.NAME timm MODEL.BACKBONE.TIMM_NAME test_convnext MODEL.BACKBONE.DROP_PATH_RATIO 0.0
    MODEL.HEADS.WITH_BNNECK False INPUT.REA.ENABLED False SOLVER.OPT SGD SOLVER.BASE_LR 0.05 SOLVER.WARMUP_ITERS 0
    SOLVER.CLIP_GRADIENTS.ENABLED False""".split()
IEEE = Precision(torch.float32, "", "ieee")
STOP = 3  # of 6 steps
ALIKE = 1e-3  # largest difference of two runs, as a share of the way that a weight has gone
OVERFLOWS, HOLDS = 2.0**60, 2.0**4  # scales of a float16 loss


def main():
    """Run all checks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda (default) or cpu")
    device = torch.device(parser.parse_args().device)
    if device.type == "cuda":
        device = torch.device("cuda", 0)
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # else its products may differ from run to run
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.simplefilter("ignore")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        draw_small_set(Path(folder) / "drawings", DESIGNS, SIDE)
        checks = all_checks(device, Path(folder))
        for name, check in checks.items():
            try:
                check()
                why = ""
            except Exception as error:  # whatever it is, the next check runs
                traceback.print_exc()
                why = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"{name}: FAILED {why}" if why else f"{name}: ok", flush=True)
            failed += bool(why)
    print(f"{len(checks)} checks on {device}, {failed} failed")
    return int(failed > 0)


def all_checks(device, folder):
    """Return {name: function without arguments that raises where something is wrong}."""
    checks = {
        "ranks and ties across tiles": partial(check_ranks, device),
        "scores are IEEE where TF32 is allowed": partial(check_scores, device),
        "features equal those of the CPU": partial(check_features, device, folder),
    }
    for optimizer in ("Adam", "SGD"):
        words = [*TINY, "SOLVER.OPT", optimizer]
        checks[f"{optimizer}, float16, first step overflows"] = partial(check_overflow, device, folder, words)
        checks[f"{optimizer}, bf16, first loss overflows"] = partial(check_infinite_loss, device, folder, words)
    for name, words in {
        "IBN and non-local blocks": [],
        "SGD": ["SOLVER.OPT", "SGD"],
        "EMA": ["SOLVER.EMA.ENABLED", "True"],
        "XBM": "MODEL.LOSSES.XBM.ENABLED True MODEL.LOSSES.XBM.SIZE 32 MODEL.LOSSES.XBM.START_ITER 1".split(),
        "sampled classes": ["MODEL.HEADS.SAMPLED_CLASSES", "5"],
        "accumulation": ["SOLVER.GRAD_ACCUM_STEPS", "2"],
    }.items():
        checks[f"resume to the bit, {name}"] = partial(check_resume, device, folder, words and [*TINY, *words])
    checks["resume to the bit, float16"] = partial(check_resume, device, folder, TINY, Precision(torch.float16, ""))
    checks["two parts of a batch equal the whole"] = partial(check_parts, device, folder)
    checks["two gloo processes equal one"] = partial(check_processes, device, folder)
    return checks


def settings(folder, device, words, output="run"):
    """Return the configuration of a training of 6 steps on the small set."""
    root = ["DATASETS.ROOT", str(folder / "drawings"), "OUTPUT_DIR", tempfile.mkdtemp(prefix=f"{output}-", dir=folder)]
    return load_config(BASE, [*SMALL, "MODEL.DEVICE", device.type, *root, *words])


class StoppedTrainer(Trainer):
    """A Trainer that is interrupted by Ctrl-C after its step `stop`."""

    stop = 0

    def step(self, batch):
        rate = super().step(batch)
        if self.position.iteration == self.stop:
            os.kill(os.getpid(), signal.SIGINT)
        return rate


def trainer_of(cfg, device, precision=None, checkpoint=None):
    """Return a Trainer of a configuration, as `fastpatent train` makes it."""
    loader = build_train_loader(cfg, device, checkpoint["iteration"] if checkpoint else 0)
    cfg = with_classes(cfg, loader.num_classes)
    torch.manual_seed(cfg.SEED)
    model = build_model(cfg).to(device).train()
    precision = precision or training_precision(cfg.SOLVER.AMP.ENABLED, device)
    return StoppedTrainer(cfg, model, loader, device, precision, lambda *_: None, checkpoint=checkpoint)


def trained(trainer, stop=0):
    """Run a Trainer to its end, or to a Ctrl-C after step `stop`; return what it has saved."""
    trainer.stop = stop
    try:
        trainer.run()
    except KeyboardInterrupt:
        if not stop:
            raise
    return read_last_checkpoint(trainer.cfg.OUTPUT_DIR)[1]


def tensors(value, name=""):
    """Return {name: tensor or plain value} of all that nested dicts and lists hold."""
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: found for inner, part in items for key, found in tensors(part, f"{name}/{inner}").items()}
    return {name: value.detach().cpu() if torch.is_tensor(value) else value}


def differing(left, right):
    """Return the names of what differs by a bit."""
    left, right = tensors(left), tensors(right)
    same = {name: torch.equal(left[name], right[name]) if torch.is_tensor(left[name]) else left[name] == right[name]
            for name in left.keys() & right.keys()}  # fmt: skip
    return sorted(left.keys() ^ right.keys()) + sorted(name for name in same if not same[name])


def assert_alike(cfg, one, other):
    """Compare weights by the way that they have gone from their first values."""
    cfg = with_classes(cfg, len(one["heads.weight"]))
    torch.manual_seed(cfg.SEED)
    start = build_model(cfg).state_dict()
    gone = {name: float((one[name].cpu() - start[name]).norm()) for name in one if one[name].is_floating_point()}
    apart = {name: float((one[name] - other[name]).cpu().norm()) for name in gone}
    worst = max(gone, key=lambda name: apart[name] / (gone[name] + ALIKE))
    assert max(gone.values()) > 10 * ALIKE, "nothing was learned"
    assert apart[worst] <= ALIKE * (gone[worst] + ALIKE), f"{worst} is {apart[worst]:.2g} apart, went {gone[worst]:.2g}"


def check_ranks(device):
    """Compare nearest rows and ranks with a stable sort of exact scores, of which most are tied."""
    rng = np.random.default_rng(0)
    query, gallery = (np.zeros((rows, 64), np.float32) for rows in (1100, 3300))  # of 2 and 4 tiles
    for features in (query, gallery):
        for row in features:
            row[rng.permutation(64)[:16]] = rng.choice([-1, 1], 16)  # of length 4, so that cosines are exact
    identities = [[f"{number}" for number in rng.integers(0, 300, len(features))] for features in (query, gallery)]
    order = np.argsort(-(query.astype(np.float64) @ gallery.T.astype(np.float64)), axis=1, kind="stable")
    relevant = np.array(identities[1])[order] == np.array(identities[0])[:, None]
    for where in {str(device), "cpu"}:
        found = rank(query, gallery, 50, identities, device=where)
        assert np.array_equal(found.indices, order[:, :50]), f"nearest rows on {where}"
        assert np.array_equal(found.metrics.ranks, 1 + np.nonzero(relevant)[1]), f"ranks on {where}"


def check_scores(device):
    """Compare cosines with float64, where the program has allowed TF32."""
    rng = np.random.default_rng(0)
    query, gallery = (rng.standard_normal((rows, 2048), np.float32) for rows in (64, 512))
    exact = [rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in (query, gallery)]
    allowed = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        found = rank(query, gallery, 5, device=device)
    finally:
        torch.backends.cuda.matmul.fp32_precision = allowed
    wrong = np.abs(np.take_along_axis(exact[0] @ exact[1].T, found.indices, 1) - found.scores).max()
    assert wrong < 1e-6, f"a score is wrong by {wrong:.1e}"


def check_features(device, folder):
    """Compare float32 features of one network on the device and on the CPU."""
    cfg = with_classes(settings(folder, device, []), 3)
    torch.manual_seed(0)
    model, precision = build_model(cfg).eval(), extraction_precision("fp32")
    images, found = torch.randint(0, 256, (16, 1, 64, 64), dtype=torch.uint8), []
    for where in (torch.device("cpu"), device):
        with torch.inference_mode(), precision.autocast(where):
            found.append(model.to(where, memory_format=torch.channels_last).embed_images(images.to(where)).cpu())
    wrong = float((found[1] - found[0]).norm() / found[0].norm())
    assert wrong < 1e-4, f"wrong by {wrong:.1e} of their length"


def check_overflow(device, folder, words):
    """Overflow the gradients of the first step: it changes nothing, and the next ones learn."""
    trainer = trainer_of(settings(folder, device, words), device, Precision(torch.float16, ""))
    trainer.scaler = torch.amp.GradScaler(device.type, init_scale=OVERFLOWS)
    batches = iter(DeviceFeed(trainer.loader, device))
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    trainer.step(next(batches))
    assert trainer.scaler.get_scale() < OVERFLOWS, "nothing has overflowed"
    assert not differing(before, dict(trainer.model.named_parameters())), "the step has changed weights"
    moments = [value for state in trainer.optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    assert not any(value.any() for value in moments), "the step has left moments"
    trainer.scaler.update(HOLDS)
    for _ in range(3):
        trainer.step(next(batches))
    assert trainer.scaler.get_scale() == HOLDS, "a later step has overflowed"
    after = dict(trainer.model.named_parameters())
    assert all(bool(weight.isfinite().all()) for weight in after.values()), "a weight is not finite"
    assert len(differing(before, after)) > len(before) / 2, "nothing was learned"


def check_infinite_loss(device, folder, words):
    """Make the first loss infinite: no step changes a weight from then on, and saving says why."""
    trainer = trainer_of(settings(folder, device, words), device, Precision(torch.bfloat16, ""))
    batches = iter(DeviceFeed(trainer.loader, device))
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    forget = trainer.model.register_forward_hook(lambda *given: {name: loss * torch.inf for name, loss in given[2].items()})
    trainer.step(next(batches))
    forget.remove()
    trainer.step(next(batches))
    assert not differing(before, dict(trainer.model.named_parameters())), "a refused step has changed weights"
    try:
        trainer.save("refused.pth")
    except FastPatentError as error:
        assert "the loss became inf at iteration 1" in str(error), str(error)
    else:
        raise AssertionError("the run was saved")


def check_resume(device, folder, words, precision=None):
    """Compare a run that was stopped in the middle and resumed with one that was not."""
    whole = trained(trainer_of(settings(folder, device, words, "whole"), device, precision))
    cfg = settings(folder, device, words, "stopped")
    stopped = trained(trainer_of(cfg, device, precision), STOP)
    assert stopped["iteration"] == STOP
    resumed = trained(trainer_of(cfg, device, precision, stopped))
    saved = [{name: state.get(name) for name in ("model", "trained", "optimizer", "scaler")} for state in (whole, resumed)]
    names = differing(*saved)
    assert not names, f"{len(names)} tensors differ, {names[0]} first"


def check_parts(device, folder):
    """Compare a run whose batches are split into two parts with one of whole batches."""
    words = [*BY_ITSELF, "MODEL.LOSSES.NAME", "('CrossEntropyLoss',)"]
    cfg = settings(folder, device, words)
    parts = settings(folder, device, [*words, "SOLVER.GRAD_ACCUM_STEPS", "2"])
    one, two = (trained(trainer_of(given, device, IEEE))["model"] for given in (cfg, parts))
    assert_alike(cfg, one, two)


def check_processes(device, folder):
    """Compare a run of two processes, which share the device, with one of one."""
    cfg, of_two = (settings(folder, device, BY_ITSELF, name) for name in ("one", "two"))
    one = trained(trainer_of(cfg, device, IEEE))["model"]
    meeting = Path(of_two.OUTPUT_DIR, "meeting")
    words, start = (of_two.dump(), str(meeting), device), "spawn" if device.type == "cuda" else "fork"  # CUDA bears no fork
    torch.multiprocessing.start_processes(one_of_two, words, nprocs=2, start_method=start)
    assert_alike(cfg, one, read_last_checkpoint(of_two.OUTPUT_DIR)[1]["model"])


def one_of_two(rank, settings, meeting, device):
    """Train as one of two processes, which talk by gloo: NCCL refuses to share a GPU."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(meeting, 2), rank=rank, world_size=2)
    trainer_of(CfgNode.load_cfg(settings), device, IEEE).run()
    dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
