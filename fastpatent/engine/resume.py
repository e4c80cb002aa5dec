"""Whether a run that is resumed is the run that was stopped: its settings and its training images."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import yaml
from tabulate import tabulate
from yacs.config import CfgNode

from fastpatent.config.bounded_yaml import BoundedLoader
from fastpatent.config.key import AT_START, FIXED
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves
from fastpatent.config.report import describe, short_value
from fastpatent.config.yaml_files import YAML_BYTES
from fastpatent.data.records import Sample, names_below
from fastpatent.engine.checkpoint import kinds_of
from fastpatent.errors import CheckpointError


def run_identity(cfg: CfgNode, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what a checkpoint remembers of its run.

    Returns:
        {config: YAML text; samples: see `samples_digest`; test_set: name of the data set that chooses the best checkpoint}.
    """
    samples_of_run = samples_digest(samples, cfg.DATASETS.ROOT)
    return {"config": describe(cfg).yaml, "samples": samples_of_run, "test_set": next(iter(cfg.DATASETS.TESTS), None)}


def samples_digest(samples: Sequence[Sample], root: str | os.PathLike[str]) -> dict[str, Any]:
    """Return {images, identities: numbers; digest: SHA-256 of paths below `root` and identities, in their order}."""
    digest = hashlib.sha256()
    for name, sample in zip(names_below(root, samples), samples):
        digest.update(f"{name}\0{sample.identity}\0{sample.domain}\n".encode(errors="surrogateescape"))
    identities = {sample.identity for sample in samples}
    return {"images": len(samples), "identities": len(identities), "digest": digest.hexdigest()}


def check_samples(checkpoint: dict[str, Any], samples: Sequence[Sample], root: str | os.PathLike[str]) -> None:
    """Raise CheckpointError where the training images or their identities are not those of the checkpoint, in order.

    The labels of the classifier and the order of all batches follow from them.
    """
    saved, found = checkpoint.get("samples"), samples_digest(samples, root)
    if saved is None:  # checkpoints of older versions lack it
        return
    if not isinstance(saved, dict) or kinds_of(saved) != kinds_of(found):
        raise CheckpointError("--resume: the numbers of images and identities in the checkpoint cannot be read")
    if saved == found:
        return
    raise CheckpointError(
        f"--resume: the training images or their identities are not those of the checkpoint ({saved['images']} images of "
        f"{saved['identities']} identities then, {found['images']} of {found['identities']} now): an image or a folder "
        "was added, removed or renamed. Restore them, or start a new run with MODEL.WEIGHTS"
    )


def changed_settings(checkpoint: dict[str, Any], cfg: CfgNode) -> str:
    """Compare a configuration with that of the checkpoint; return a table of what takes effect, or nothing.

    Raises:
        CheckpointError: keys differ that a run cannot change.
    """
    if "config" not in checkpoint:
        return "the checkpoint is of an older version and has no settings to compare; those of now are used"
    try:
        if len(checkpoint["config"]) > YAML_BYTES:
            raise ValueError(f"they have more than {YAML_BYTES:,} letters")
        saved = dict(leaves(CfgNode(yaml.load(checkpoint["config"], BoundedLoader))))
    except Exception as error:  # yaml and yacs raise many kinds
        raise CheckpointError("--resume: the settings in the checkpoint cannot be read") from error
    rows, refused = [], []
    for name, now in leaves(cfg):
        key, now = KEYS[name], list(now) if isinstance(now, tuple) else now
        was = saved.get(name, now)  # a key that is newer than the checkpoint
        # 0 is filled in from the data; the run's own config.yaml has the number
        filled = name == "MODEL.HEADS.NUM_CLASSES" and 0 in (was, now)
        if key.ignored or was == now or filled:
            continue
        if key.resumed == FIXED:
            refused.append(f"--resume: {name} was {short_value(was)} and is now {short_value(now)}: a run cannot change it")
        else:
            note = "no effect: the run has begun" if key.resumed == AT_START else ""
            rows.append((name, short_value(was), short_value(now), note))
    if refused:
        raise CheckpointError("\n".join([*refused, "write the old value, or start a new run with MODEL.WEIGHTS"]))
    if not any(note for *_, note in rows):
        rows = [row[:3] for row in rows]
    headers = ("changed", "old", "new", "")[: len(rows[0])] if rows else ()
    return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True) if rows else ""
