"""A network of images and texts with the same features in NumPy, for tests of what uses a network."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set
from fastpatent.data.records import Splits
from fastpatent.files import write_atomically
from fastpatent.models import META_ARCHITECTURES, TOKENIZERS, Network

HEIGHT, WIDTH, LETTERS, LONGEST = 12, 16, 128, 64
DESIGNS, VIEWS = 10, 4
NAMES = "PlainTexts", "Plain"  # with a text tower, and without


class PlainNetwork(Network):
    """Linear functions of the mean ink of columns, and of counted letters; `batches` has the rows of every call."""

    best_metric = "mean-R"

    def __init__(self, dim):
        super().__init__()
        self.columns, self.letters = nn.Parameter(torch.zeros(WIDTH, dim)), nn.Parameter(torch.zeros(LETTERS, dim))
        self.batches = []

    def embed_images(self, images, domains=None):
        assert not self.training
        self.batches.append(len(images))
        return (255 - images.float()).mean((1, 2)) @ self.columns

    def embed_texts(self, tokens):
        assert not self.training
        self.batches.append(len(tokens))
        return self.letters[tokens].sum(1)


def build(cfg):
    """The network, of MODEL.HEADS.EMBEDDING_DIM dimensions."""
    return PlainNetwork(cfg.MODEL.HEADS.EMBEDDING_DIM)


def tokenize(texts):
    """The letters of each text, filled up with zeros."""
    return torch.tensor([[ord(letter) for letter in text.ljust(LONGEST, "\0")] for text in texts])


def components():
    """(registry, name, component) of everything that must be registered."""
    networks = [(META_ARCHITECTURES, name, build) for name in NAMES]
    return [*networks, (TOKENIZERS, NAMES[0], lambda cfg: tokenize)]


def write_drawings(folder, seed=0):
    """Write `d<design>/<view>.png` below a folder, at the size of the network: columns of one design have similar ink."""
    rng = np.random.default_rng(seed)
    for design in range(DESIGNS):
        (folder / f"d{design}").mkdir(parents=True)
        ink = rng.uniform(20, 235, WIDTH)
        for view in range(VIEWS):
            pixels = np.clip(ink + rng.normal(0, 35, WIDTH) + rng.normal(0, 20, (HEIGHT, WIDTH)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"d{design}" / f"{view}.png")


class PlainRun:
    """Drawings and weights below a folder, and the features in float64.

    Attributes:
        splits: the data set Drawings; every second query and gallery drawing has a caption.
        weights: {"columns", "letters": float64 [.., dim]} of `net.pth`.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / "data").exists():
            write_drawings(self.folder / "data")
        self.weights = self.write_weights("net.pth", 6)
        found = load_test_set(self.config(), "Drawings")
        sides = [
            [
                sample._replace(caption=f"a {sample.identity} in view {number}") if number % 2 else sample
                for number, sample in enumerate(side)
            ]
            for side in (found.query, found.gallery)
        ]
        self.splits = Splits("Drawings", [], *sides)

    def write_weights(self, name, dim, seed=0):
        """Write random weights of a network and return them."""
        rng = np.random.default_rng(seed)
        state = {"columns": rng.normal(0, 1, (WIDTH, dim)), "letters": rng.normal(0, 1, (LETTERS, dim))}
        tensors = {key: torch.from_numpy(value).float() for key, value in state.items()}
        write_atomically(self.folder / name, partial(torch.save, tensors))  # several processes may write the same
        return state

    def settings(self, **given):
        """Values of dotted keys: those of the run, and others over them."""
        return {
            "MODEL.META_ARCHITECTURE": "PlainTexts",
            "MODEL.DEVICE": "cpu",
            "MODEL.WEIGHTS": str(self.folder / "net.pth"),
            "MODEL.HEADS.EMBEDDING_DIM": 6,
            "INPUT.SIZE_TEST": [HEIGHT, WIDTH],
            "DATASETS.ROOT": str(self.folder / "data"),
            "DATASETS.NAMES": ["Drawings"],
            "DATASETS.TESTS": ["Drawings"],
            "DATASETS.DRAWINGS.VAL_FRACTION": 0.5,
            "DATALOADER.NUM_WORKERS": 0,
            "TEST.IMS_PER_BATCH": 3,
            "OUTPUT_DIR": str(self.folder / "run"),
        } | given

    def config(self, **given):
        """The configuration of `settings`."""
        return load_config(overrides=[str(word) for pair in self.settings(**given).items() for word in pair])

    def image_features(self, samples, weights=None):
        """float64 [samples, dim] by the weights of `net.pth`, or others."""
        ink = [255 - np.asarray(Image.open(sample.path), np.float64).mean(0) for sample in samples]
        return np.stack(ink) @ (weights or self.weights)["columns"]

    def text_features(self, texts):
        """float64 [texts, dim]."""
        letters = self.weights["letters"]
        return np.stack([sum(letters[ord(letter)] for letter in text.ljust(LONGEST, "\0")) for text in texts])

    @property
    def samples(self):
        """Queries, then gallery."""
        return [*self.splits.query, *self.splits.gallery]
