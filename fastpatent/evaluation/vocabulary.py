"""The vocabulary of a descriptor that needs one: learned on training drawings, and kept with the run."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fastpatent.data.datasets.drawings import hashed_order
from fastpatent.data.samples import names_below
from fastpatent.data.sets import load_training_set
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.errors import CheckpointError
from fastpatent.files import write_atomically


def vocabulary_file(cfg):
    """Return the Path of the vocabulary that DESCRIPTOR.NAME works with; None where it needs none.

    MODEL.WEIGHTS where that is given, else `vocabulary.safetensors` in OUTPUT_DIR.
    """
    if DESCRIPTORS.get(cfg.DESCRIPTOR.NAME).learn is None:
        return None
    return Path(cfg.MODEL.WEIGHTS or Path(cfg.OUTPUT_DIR) / "vocabulary.safetensors")


def load_vocabulary(cfg, workers, say, progress):
    """Return the vocabulary that DESCRIPTOR.NAME works with, a dict of float32 arrays; None where it needs none.

    That in MODEL.WEIGHTS is taken as it is. That of the run is learned where it is not there, or was learned otherwise.

    Args:
        cfg: the configuration.
        workers: processes that read drawings.
        say: function of one line of text.
        progress: function of (title, number) that is a context manager of an object with `update(done)`.

    Raises:
        CheckpointError: MODEL.WEIGHTS names no vocabulary of this descriptor.
        ConfigError, DataError: as `load_training_set`, and as the descriptor learns.
    """
    path = vocabulary_file(cfg)
    if path is None:
        return None
    kept, learned_from = _read(path)
    asked = _settings(cfg)
    if cfg.MODEL.WEIGHTS:
        if kept is None or learned_from["descriptor"] != cfg.DESCRIPTOR.NAME:
            raise CheckpointError(f"MODEL.WEIGHTS: {path} holds no vocabulary of {cfg.DESCRIPTOR.NAME}")
        return kept
    if kept is not None and learned_from == asked:
        return kept
    samples = load_training_set(cfg)
    by_name = dict(zip(names_below(cfg.DATASETS.ROOT, samples), samples))
    chosen = [by_name[name].path for name in hashed_order(by_name, cfg.SEED)[: cfg.DESCRIPTOR.VOCABULARY.DRAWINGS]]
    say(f"vocabulary of {cfg.DESCRIPTOR.NAME}: learned from {len(chosen)} training drawings, kept in {path}")
    settings = cfg.DESCRIPTOR.VOCABULARY
    with progress(f"learning {cfg.DESCRIPTOR.NAME}", len(chosen)) as line:
        learn = DESCRIPTORS.get(cfg.DESCRIPTOR.NAME).learn
        vocabulary = learn(chosen, settings.WORDS, settings.DIM, cfg.SEED, workers, line.update)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"vocabulary": json.dumps(asked)}
    write_atomically(path, lambda temporary: save_file(vocabulary, temporary, metadata))
    return vocabulary


def _settings(cfg):
    """Return what decides a vocabulary, as JSON gives it back."""
    settings = {"descriptor": cfg.DESCRIPTOR.NAME, "data": list(cfg.DATASETS.NAMES), "seed": cfg.SEED}
    return settings | {name.lower(): value for name, value in cfg.DESCRIPTOR.VOCABULARY.items()}


def _read(path):
    """Return (arrays, settings) of a vocabulary file; (None, None) where there is none, or none that is whole."""
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["vocabulary"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None, None
