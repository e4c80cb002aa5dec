"""Vocabularies of descriptors: learned on training drawings, and saved with the run."""

import json
import logging
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from yacs.config import CfgNode

from fastpatent.data.image import build_reader, inverts
from fastpatent.data.load_datasets import load_training_set
from fastpatent.data.records import names_below
from fastpatent.data.splitting import hashed_order
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.errors import CheckpointError
from fastpatent.files import check_output, write_atomically
from fastpatent.progress import ProgressLine

logger = logging.getLogger(__name__)


def vocabulary_file(cfg: CfgNode) -> Path | None:
    """Return the file of the vocabulary of DESCRIPTOR.NAME; None if it needs none.

    MODEL.WEIGHTS if set, else `vocabulary.safetensors` in OUTPUT_DIR.
    """
    if DESCRIPTORS.get(cfg.DESCRIPTOR.NAME).learn is None:
        return None
    return Path(cfg.MODEL.WEIGHTS or Path(cfg.OUTPUT_DIR) / "vocabulary.safetensors")


def load_vocabulary(cfg: CfgNode, workers: int) -> dict[str, np.ndarray] | None:
    """Return the vocabulary of DESCRIPTOR.NAME, a dict of float32 arrays; None if it needs none.

    The one in MODEL.WEIGHTS is used as it is. That of the run is learned if it is missing or has other settings.

    Args:
        cfg: the configuration.
        workers: worker processes that read drawings.

    Raises:
        CheckpointError: MODEL.WEIGHTS holds no vocabulary of this descriptor.
        ConfigError, DataError: as `load_training_set` and the descriptor's `learn`; another file has the name of the run's.
    """
    path, learn = vocabulary_file(cfg), DESCRIPTORS.get(cfg.DESCRIPTOR.NAME).learn
    if path is None or learn is None:
        return None
    saved, settings = _read(path) or (None, {})
    wanted = _settings(cfg)
    if cfg.MODEL.WEIGHTS:
        if saved is None or settings["descriptor"] != cfg.DESCRIPTOR.NAME:
            raise CheckpointError(f"MODEL.WEIGHTS: {path} holds no vocabulary of {cfg.DESCRIPTOR.NAME}")
        return saved
    if saved is not None and settings == wanted:
        return saved
    path.parent.mkdir(parents=True, exist_ok=True)
    check_output(path, "OUTPUT_DIR", lambda _: saved is not None)
    samples = load_training_set(cfg)
    by_name = dict(zip(names_below(cfg.DATASETS.ROOT, samples), samples))
    chosen = [by_name[name].path for name in hashed_order(by_name, cfg.SEED)[: cfg.DESCRIPTOR.VOCABULARY.DRAWINGS]]
    logger.info(f"vocabulary of {cfg.DESCRIPTOR.NAME}: learned from {len(chosen)} training drawings, saved in {path}")
    sizes = cfg.DESCRIPTOR.VOCABULARY
    with ProgressLine(f"learning {cfg.DESCRIPTOR.NAME}", len(chosen)) as line:
        vocabulary = learn(chosen, sizes.WORDS, sizes.DIM, cfg.SEED, workers, line.update, build_reader(cfg))
    metadata = {"vocabulary": json.dumps(wanted)}
    write_atomically(path, lambda temporary: save_file(vocabulary, temporary, metadata))
    return vocabulary


def _settings(cfg: CfgNode) -> dict[str, object]:
    """Return the settings that determine a vocabulary, with types that survive JSON."""
    settings: dict[str, object] = {"descriptor": cfg.DESCRIPTOR.NAME, "data": list(cfg.DATASETS.NAMES), "seed": cfg.SEED}
    if inverts(cfg):
        settings["invert"] = True
    return settings | {name.lower(): value for name, value in cfg.DESCRIPTOR.VOCABULARY.items()}


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]] | None:
    """Return (arrays, settings) of a vocabulary file; None if it is missing or damaged."""
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["vocabulary"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
