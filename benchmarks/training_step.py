"""A training step against the same network in float32 NCHW, and training on real data against tensors that are there.

Usage: python benchmarks/training_step.py [--small] [--images N] [--steps N] [--ours-only] [--sheets DIR] [--compile]
                                          [--json FILE]

Without options, on the CPU: ResNet-101-IBN with non-local blocks, 256 px, batch 16 (about three minutes on 2 cores).
On a CUDA GPU: the same network at batch 128, fed from a pack of generated drawings (or of the sheets below --sheets),
against the same step on tensors that are on the GPU, and against an eager float16 NCHW loop fed by 8 decoding processes;
and the step against timm's plain ResNet of the same depth and strides, in channels_last bf16.
--images: drawings in the pack; --steps: of each timed run; --ours-only: no step or loop but ours.
--small: ResNet-18-IBN, 64 px, batch 32, all rows on the CPU, under 50 s.
Both sides of a row are timed in turn, step by step or run by run, and the best counts.
"""

import argparse
import contextlib
import io
import platform
import tempfile
from pathlib import Path
from types import SimpleNamespace

import timm
import torch
from drawings import draw_test_set
from table import add_size_options, alone, faster, not_measured, row, show, timed

from fastpatent.commands import main as fastpatent
from fastpatent.config import load_config
from fastpatent.data.image_files import find_drawings
from fastpatent.data.loader import build_train_loader
from fastpatent.data.samplers import Sampler
from fastpatent.device import Precision, choose_device, cpu_name, set_up_device, training_precision
from fastpatent.engine.compiling import compile_backbones
from fastpatent.engine.prefetch import Batch, DeviceFeed
from fastpatent.engine.trainer import Trainer
from fastpatent.models import build_model, with_classes

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
FULL = CONFIGS / "patent" / "sbs_R101-ibn_patent_256.yml"
SMALL = CONFIGS / "Base-scratch-R18.yml"
RECIPE = "MODEL.BACKBONE.PRETRAIN False SOLVER.AMP.ENABLED True CUDNN_BENCHMARK True".split()
RECIPE += "SOLVER.WARMUP_ITERS 1 SOLVER.FREEZE_ITERS 0".split()  # a step of a frozen network would be a third of the work
SMALL_WORDS = "MODEL.DEVICE cpu INPUT.SIZE_TRAIN [64,64] SOLVER.IMS_PER_BATCH 32 DATALOADER.NUM_WORKERS 1".split()
DRAWINGS, OF_A_DESIGN = {True: 320, False: 12800}, 8
REPEATS = 3  # of a timed run, of which the best counts
WARM_UP = 4  # steps: algorithms are chosen in the first, and the allocator learns which blocks to keep in the next
SPEEDUP, FED, OVER_TIMM = 3.5, 0.97, 1.25
OVER_EAGER = {False: 2.0, True: 2.5}  # by whether ours is compiled
TIMM = {"18x": "resnet18", "101x": "resnet101"}


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="ResNet-18-IBN, 64 px, batch 32 on the CPU, under 50 s")
    add_size_options(parser, "how many drawings are packed, at least 128", "steps of each timed run")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="make the drawings from the real sheets below DIR")
    parser.add_argument("--compile", action="store_true", help="ours with MODEL.COMPILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    gpu = torch.cuda.is_available() and not options.small
    config, words = (SMALL, [*RECIPE, *SMALL_WORDS]) if options.small else (FULL, list(RECIPE))
    words += ["MODEL.COMPILE", str(options.compile)]
    if not options.small:
        words += ["SOLVER.IMS_PER_BATCH", "128" if gpu else "16"]
    cfg = load_config(config, words)
    name = f"{config.stem}, {cfg.INPUT.SIZE_TRAIN[0]} px, batch {cfg.SOLVER.IMS_PER_BATCH}"
    rows = []
    if not gpu:
        steps = options.steps or (3 if options.small else 2)
        rows.append(against_plain_step(f"float32 NCHW eager / step, {name}", cfg, steps, options.ours_only))
    fed = f"the step on tensors that are there / training on real data, {name}"
    eager = f"eager NCHW loop, decoding / training on real data, {name}"
    plain = f"step / that of timm's {TIMM[cfg.MODEL.BACKBONE.DEPTH]}, channels_last bf16, {name}"
    if gpu or options.small:
        with tempfile.TemporaryDirectory() as folder:
            rows += with_data(fed, eager, config, words, Path(folder), options, options.steps or (60 if gpu else 6))
        if not options.ours_only:
            rows.append(against_timm(plain, cfg, options.steps or (20 if gpu else 1)))
    else:
        rows += [not_measured(fed, FED), not_measured(eager, OVER_EAGER[options.compile])]
        rows.append(not_measured(plain, OVER_TIMM, "<="))
    device = choose_device(cfg.MODEL.DEVICE)
    print(
        f"seconds a step; {device.device} ({device.reason}), {training_precision(True, device.device).dtype}; "
        f"{cpu_name()}, {torch.get_num_threads()} threads; torch {torch.__version__}, Python {platform.python_version()}\n"
    )
    show(rows, options.json)


def trainer_of(cfg, classes, loader=None):
    """Return a Trainer of our own step: channels_last, bf16 where the device has it, fused optimizer."""
    device = set_up_device(cfg).device
    precision = training_precision(True, device)
    torch.manual_seed(0)
    model = build_model(with_classes(cfg, classes)).to(device).train()
    if cfg.MODEL.COMPILE:
        compile_backbones(model, (cfg.SOLVER.IMS_PER_BATCH, 1, *cfg.INPUT.SIZE_TRAIN), device, precision)
    loader = loader or SimpleNamespace(
        batches_per_epoch=1000, batch_size=cfg.SOLVER.IMS_PER_BATCH, samples=[], sampler=Sampler(), augmentation=None
    )
    return Trainer(cfg, model, loader, device, precision, evaluate=None)


class PlainStep:
    """The same network as everybody would write the loop: NCHW, the optimizer as torch makes it, losses read each step."""

    def __init__(self, cfg, classes, precision):
        torch.manual_seed(0)
        self.device, self.precision = choose_device(cfg.MODEL.DEVICE).device, precision
        model = build_model(with_classes(cfg, classes)).to(self.device)
        model.backbone.memory_format = torch.contiguous_format
        self.model = model.to(memory_format=torch.contiguous_format).train()
        self.optimizer = torch.optim.Adam(model.parameters(), cfg.SOLVER.BASE_LR)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision.dtype == torch.float16)

    def __call__(self, images, targets):
        with self.precision.autocast(self.device):
            losses = self.model(images.to(self.device), targets.to(self.device))
        self.optimizer.zero_grad()
        self.scaler.scale(sum(losses.values())).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return [loss.item() for loss in losses.values()]


class TimmStep:
    """timm's network of the same depth and strides with a linear classifier, on a batch that is there as floats."""

    def __init__(self, cfg, classes, batch, precision):
        torch.manual_seed(0)
        settings, self.precision = cfg.MODEL.BACKBONE, precision
        model = timm.create_model(TIMM[settings.DEPTH], num_classes=classes, in_chans=len(cfg.MODEL.PIXEL_MEAN))
        for layer in model.layer4.modules() if settings.LAST_STRIDE == 1 else ():
            if isinstance(layer, torch.nn.Conv2d):
                layer.stride = (1, 1)
        self.model = model.to(batch.images.device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(model.parameters(), cfg.SOLVER.BASE_LR, fused=True)
        images = batch.images.float().div(255).expand(-1, len(cfg.MODEL.PIXEL_MEAN), -1, -1)
        self.images, self.targets = images.contiguous(memory_format=torch.channels_last), batch.targets

    def __call__(self):
        with self.precision.autocast(self.images.device):
            loss = torch.nn.functional.cross_entropy(self.model(self.images), self.targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def against_timm(name, cfg, steps):
    """Return the row of one step against that of timm's network."""
    ours = trainer_of(cfg, 1000)
    batch = batch_of(cfg, ours.device)
    theirs, seconds = TimmStep(cfg, 1000, batch, ours.precision), {}
    for count in range(1 + min(REPEATS, steps)):
        if count == 1:
            seconds.clear()
        timed(seconds, "ours", lambda: run(ours.device, steps, lambda: ours.step(batch)))
        timed(seconds, "theirs", lambda: run(ours.device, steps, theirs))
    return row(name, seconds["ours"] / steps, seconds["theirs"] / steps, OVER_TIMM)


def batch_of(cfg, device):
    """Return one random Batch of whole identities on a device."""
    size, group = cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE
    images = torch.randint(0, 256, (size, 1, *cfg.INPUT.SIZE_TRAIN), dtype=torch.uint8)
    targets = torch.arange(size) // group
    return Batch(images.to(device), targets.to(device), torch.zeros_like(targets, device=device), torch.arange(size))


def against_plain_step(name, cfg, steps, ours_only):
    """Return the row of one step against the float32 NCHW one, or alone."""
    ours = trainer_of(cfg, 1000)
    plain = None if ours_only else PlainStep(cfg, 1000, Precision(torch.float32, ""))
    batch = batch_of(cfg, ours.device)
    seconds, warm_up = {}, min(WARM_UP, steps)
    for count in range(warm_up + steps):
        if count == warm_up:
            seconds.clear()
        timed(seconds, "ours", lambda: ours.step(batch))
        if plain:
            timed(seconds, "plain", lambda: plain(batch.images, batch.targets))
    if not plain:
        return alone(name, seconds["ours"])
    return faster(name, seconds["ours"], seconds["plain"], SPEEDUP)


def with_data(fed, eager, config, words, folder, options, steps):
    """Return the rows of training from drawings on disk."""
    sheets = [options.sheets.resolve() / name for name in find_drawings(options.sheets)[0]] if options.sheets else []
    root, drawings = folder / "drawings", options.images or DRAWINGS[options.small]
    designs = max(drawings // OF_A_DESIGN, 2)
    draw_test_set(root, designs, drawings - designs, sheets)
    data = ["DATASETS.ROOT", str(root / "patent_data"), "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "()"]
    words = [*words, *data, "OUTPUT_DIR", str(folder)]
    with contextlib.redirect_stdout(io.StringIO()):
        if fastpatent(["data", "pack", "--config-file", str(config), *words]):
            raise SystemExit("data pack failed")
    cfg = load_config(config, words)
    loader = build_train_loader(cfg, choose_device(cfg.MODEL.DEVICE).device)
    trainer = trainer_of(cfg, loader.num_classes, loader)
    feed = iter(DeviceFeed(loader, trainer.device))
    resident = next(feed)
    seconds = {}
    repeats = range(min(REPEATS, steps))
    for _ in repeats:
        timed(seconds, "resident", lambda: run(trainer.device, steps, lambda: trainer.step(resident)))
        timed(seconds, "fed", lambda: run(trainer.device, steps, lambda: trainer.step(next(feed))))
    rows = [faster(fed, seconds["fed"] / steps, seconds["resident"] / steps, FED)]
    if options.ours_only:
        return rows
    gpu = trainer.device.type == "cuda"
    decoding = load_config(
        config, [*words, "DATASETS.PACKS", "", "INPUT.AUGMENT_ON", "workers", "DATALOADER.NUM_WORKERS", "8" if gpu else "1"]
    )
    plain_loader = build_train_loader(decoding, trainer.device)
    plain = PlainStep(decoding, plain_loader.num_classes, Precision(torch.float16 if gpu else torch.float32, ""))
    batches = iter(plain_loader)

    def plain_step():
        batch = next(batches)
        plain(batch["images"], batch["targets"])

    plain_step()
    for _ in repeats:
        timed(seconds, "plain", lambda: run(plain.device, steps, plain_step))
    return [*rows, faster(eager, seconds["fed"] / steps, seconds["plain"] / steps, OVER_EAGER[options.compile])]


def run(device, steps, step):
    """Take some steps and wait for the last."""
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
