"""What decides the features of a data set: weights, configuration, images, device and software."""

import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from typing import Any

import PIL
import torch
from yacs.config import CfgNode

import fastpatent
from fastpatent.config.key import EVERY, NETWORK
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves
from fastpatent.data.pack.place import packed_files
from fastpatent.data.records import Sample, Splits, names_below
from fastpatent.evaluation.vocabulary import vocabulary_file
from fastpatent.files import sha256_of


def feature_origin(cfg: CfgNode, splits: Splits, device: torch.device) -> dict[str, Any]:
    """Return all that decides the features of splits.query + splits.gallery; features of equal origins are the same.

    Of the configuration all keys count, except those whose row in the table of keys says that they decide no features. A
    value that names a file counts with the file's bytes, and weights, or a descriptor's vocabulary, by their bytes alone;
    images by their paths below DATASETS.ROOT, in order, with size and time of change, or what a portable pack has of them.

    Args:
        cfg: the configuration.
        splits: the data set.
        device: that extracts.

    Returns:
        dict of plain JSON values: weights, configuration, drawings, device, software.

    Raises:
        OSError: the weights or an image cannot be read.
    """
    software = {"fastpatent": fastpatent.__version__, "pillow": PIL.__version__}
    if cfg.DESCRIPTOR.NAME:
        weights, computed_on, deciding = vocabulary_file(cfg), "cpu", {EVERY}
        software |= {name: importlib.import_module(name).__version__ for name in ("skimage", "cv2")}
    else:
        weights, computed_on, deciding = cfg.MODEL.WEIGHTS, device.type, {EVERY, NETWORK}
        software |= {"torch": torch.__version__}
        if not weights and cfg.MODEL.CLIP.PRETRAINED:
            weights = None  # those of PRETRAINED, a key that counts
    configuration = {key: value for key, value in leaves(cfg) if KEYS[key].features in deciding}
    files = {key: value for key, value in configuration.items() if isinstance(value, str) and os.path.isfile(value)}
    if not cfg.DESCRIPTOR.NAME and cfg.TEST.WISE_FT < 1 and cfg.MODEL.BACKBONE.PRETRAIN_PATH:
        from fastpatent.models.pretrained_files import pretrained_file  # here: it brings timm

        files["MODEL.BACKBONE.PRETRAIN_PATH"] = pretrained_file(cfg)  # elsewhere it decides no features
    origin = {
        "weights": None if weights is None else sha256_of(weights),
        "configuration": configuration | {f"{key} (file)": sha256_of(path) for key, path in files.items()},
        "drawings": _state_of_images([*splits.query, *splits.gallery], cfg),
        "device": computed_on,
        "software": software,
    }
    return json.loads(json.dumps(origin))  # as a file returns it: tuples become lists


def origin_key(origin: dict[str, Any]) -> str:
    """Return the SHA-256 of an origin, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()


def differences(origin: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of the parts in which two origins differ; of the configuration, the keys."""
    names = [name for name, value in origin.items() if other[name] != value]
    if "configuration" in names:
        known, others = origin["configuration"], other["configuration"]  # names that are only in the other may be anything
        keys = sorted(key for key in known if known[key] != others.get(key)) or ["of another version"]
        names[names.index("configuration")] = f"configuration ({', '.join(keys)})"
    return names


def _state_of_images(samples: Sequence[Sample], cfg: CfgNode) -> dict[str, Any]:
    digest = hashlib.sha256()
    packed: dict[str, str] | None = None  # asked for where a file is missing
    for name, sample in zip(names_below(cfg.DATASETS.ROOT, samples), samples):
        try:
            status = os.stat(sample.path)
            state = f"{status.st_size}\0{status.st_mtime_ns}"
        except FileNotFoundError:
            packed = packed_files(cfg) if packed is None else packed
            if sample.path not in packed:
                raise
            state = packed[sample.path]
        digest.update(os.fsencode(name))
        digest.update(f"\0{state}\n".encode())
    return {"count": len(samples), "sha256": digest.hexdigest()}
