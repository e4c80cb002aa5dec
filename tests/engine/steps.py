"""A trainer without data, for single steps."""

from types import SimpleNamespace

import torch

from fastpatent.config import get_cfg
from fastpatent.data.records import Sample
from fastpatent.data.samplers import SAMPLERS
from fastpatent.device import Precision
from fastpatent.engine.prefetch import Batch
from fastpatent.engine.trainer import Trainer
from fastpatent.models import build_model

LOSSES = ["CrossEntropyLoss", "TripletLoss", "CircleLoss", "Cosface"]
TARGETS = [0, 0, 1, 1, 2, 2, 3, 3]


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


def loader_of(cfg):
    """Return what a Trainer reads of a loader over the samples of TARGETS, without batches."""
    samples = [Sample(f"{index}.png", str(target)) for index, target in enumerate(TARGETS)]
    return SimpleNamespace(
        batches_per_epoch=10,
        batch_size=cfg.SOLVER.IMS_PER_BATCH,
        samples=samples,
        sampler=SAMPLERS.get(cfg.DATALOADER.SAMPLER_TRAIN)(cfg, TARGETS, samples),
        augmentation=None,
    )


def trainer_of(cfg, device="cpu", dtype=torch.bfloat16):
    """Return a Trainer whose loader has no batches, and one batch on its device."""
    torch.manual_seed(0)
    device = torch.device(device)
    model = build_model(cfg).to(device).train()
    trainer = Trainer(cfg, model, loader_of(cfg), device, Precision(dtype, ""), evaluate=None)
    images = torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8).to(device)
    targets = torch.tensor(TARGETS, device=device)
    return trainer, Batch(images, targets, torch.zeros_like(targets), torch.arange(8))
