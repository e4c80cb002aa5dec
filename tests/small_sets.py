"""A small data set on disk in the challenge's layout, and a configuration for it."""

import numpy as np
from PIL import Image

from fastpatent.config import get_cfg


def strokes(number, size=(40, 30)):
    """A drawing that no other `number` gives: black strokes on white paper, uint8 [height, width]."""
    generator = np.random.default_rng(number)
    drawing = np.full(size, 255, np.uint8)
    for _ in range(6):
        row, column = generator.integers(size[0]), generator.integers(size[1])
        drawing[row, :column] = 0
        drawing[:row, column] = 0
    drawing[0, :32] = [255 * (number >> bit & 1) for bit in range(min(32, size[1]))]
    return drawing


def write_drawing(path, number, size=(40, 30)):
    """Write the drawing of that number, folders included; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(strokes(number, size)).save(path)
    return path


def write_list(path, lines):
    """Write a list file, folders included; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def write_patent_set(root):
    """Write 6 training, 3 validation and 3 test identities of 4 drawings each in the challenge's layout; return the root."""
    number = 0
    for stage, identities in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        lines = {"trn": [], "query": [], "db": []}
        for label, identity in enumerate(identities):
            folder = f"I2018{identity:04d}/USD{identity:07d}-2018{identity:04d}"
            for view in range(4):
                name = f"{folder}/{folder.split('/')[1]}-D{view:05d}.png"
                write_drawing(root / "train_data/patent_data" / name, number)
                part = "trn" if stage == "train" else "query" if view == 1 else "db"
                lines[part].append(f"{name} {label}")
                number += 1
        for part, listed in lines.items():
            if listed:
                name = "train_patent_trn.txt" if part == "trn" else f"{stage}_{part}_patent.txt"
                write_list(root / "train_data" / name, listed)
    return root


def small_config():
    """The defaults at a small size, with no worker processes and on the CPU."""
    cfg = get_cfg()
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [24, 20]
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.DATALOADER.NUM_INSTANCE = 2
    cfg.DATALOADER.SAMPLER_TRAIN = "BalancedIdentitySampler"
    cfg.SOLVER.IMS_PER_BATCH = 8
    cfg.TEST.IMS_PER_BATCH = 5
    cfg.MODEL.DEVICE = "cpu"
    cfg.DATASETS.NAMES = ("Patent",)
    cfg.DATASETS.TESTS = ("Patent",)
    return cfg
