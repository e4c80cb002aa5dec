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
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import CheckpointError
from fastpatent.files import check_output, write_atomically
from fastpatent.progress import ProgressLine

MOST_BYTES = 2**28  # of a file; 64 words take 100 kB, and 100,000 words would take 60 MB
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
    path, descriptor = vocabulary_file(cfg), DESCRIPTORS.get(cfg.DESCRIPTOR.NAME)
    if path is None or descriptor.learn is None:
        return None
    saved, settings = _read(path, descriptor) or (None, {})
    wanted = _settings(cfg)
    if cfg.MODEL.WEIGHTS:
        if saved is None or settings.get("descriptor") != cfg.DESCRIPTOR.NAME:
            raise CheckpointError(f"MODEL.WEIGHTS: {path} holds no vocabulary of {cfg.DESCRIPTOR.NAME}")
        return saved
    if saved is not None and settings == wanted:
        return saved
    path.parent.mkdir(parents=True, exist_ok=True)
    check_output(path, "OUTPUT_DIR", _is_vocabulary)
    samples = load_training_set(cfg)
    by_name = dict(zip(names_below(cfg.DATASETS.ROOT, samples), samples))
    chosen = [by_name[name].path for name in hashed_order(by_name, cfg.SEED)[: cfg.DESCRIPTOR.VOCABULARY.DRAWINGS]]
    logger.info(f"vocabulary of {cfg.DESCRIPTOR.NAME}: learned from {len(chosen)} training drawings, saved in {path}")
    sizes = cfg.DESCRIPTOR.VOCABULARY
    with ProgressLine(f"learning {cfg.DESCRIPTOR.NAME}", len(chosen)) as line:
        vocabulary = descriptor.learn(chosen, sizes.WORDS, sizes.DIM, cfg.SEED, workers, line.update, build_reader(cfg))
    metadata = {"vocabulary": json.dumps(wanted)}
    write_atomically(path, lambda temporary: save_file(vocabulary, temporary, metadata))
    return vocabulary


def _settings(cfg: CfgNode) -> dict[str, object]:
    """Return the settings that determine a vocabulary, with types that survive JSON."""
    settings: dict[str, object] = {"descriptor": cfg.DESCRIPTOR.NAME, "data": list(cfg.DATASETS.NAMES), "seed": cfg.SEED}
    if inverts(cfg):
        settings["invert"] = True
    return settings | {name.lower(): value for name, value in cfg.DESCRIPTOR.VOCABULARY.items()}


def _is_vocabulary(path: Path) -> bool:
    with safe_open(path, "numpy") as file:
        return "vocabulary" in file.metadata()


def _read(path: Path, descriptor: Descriptor) -> tuple[dict[str, np.ndarray], dict[str, object]] | None:
    """Return (arrays, settings) of a vocabulary file; None if it is missing, damaged, or not of this descriptor."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        with safe_open(path, "numpy") as file:
            found, settings = (
                {name: file.get_tensor(name) for name in file.keys()},
                json.loads(file.metadata()["vocabulary"]),
            )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return (found, settings) if isinstance(settings, dict) and descriptor.accepts(found) else None
