"""What decides the features of a test set: weights, configuration, drawings, device and software."""

import hashlib
import importlib
import json
import os

import PIL
import torch

import fastpatent
from fastpatent.config.ignored import is_ignored
from fastpatent.config.keys import leaves
from fastpatent.data.samples import names_below
from fastpatent.evaluation.vocabulary import vocabulary_file
from fastpatent.files import sha256_of

BEYOND_MODEL = (
    *(f"INPUT.{name}" for name in ("SIZE_TEST", "KEEP_ASPECT", "FIT", "INTERPOLATION")),
    *(f"TEST.{name}" for name in ("FLIP.ENABLED", "SCALES", "PRECISION")),
)
OF_TWO_TOWERS = ("MODEL.CLIP.NAME", "MODEL.CLIP.PRETRAINED", "TEST.WISE_FT")  # read where PatentCLIP is the network
# Keys of MODEL that have no part in evaluation, besides those of losses. The names of losses and classifiers are not among
# them: a misspelt one keeps the network from being built, and that must be noticed.
OF_TRAINING = {
    "MODEL.COMPILE",
    "MODEL.TOWER_WEIGHTS",
    "MODEL.FREEZE_LAYERS",
    "MODEL.BACKBONE.DROP_PATH_RATIO",
    "MODEL.BACKBONE.PRETRAIN",
    "MODEL.BACKBONE.PRETRAIN_PATH",
    "MODEL.HEADS.NUM_CLASSES",
    "MODEL.HEADS.NECK_FEAT",
    "MODEL.HEADS.MARGIN",
    "MODEL.HEADS.SCALE",
    "MODEL.HEADS.DROPOUT",
    "MODEL.HEADS.EASY_MARGIN",
    "MODEL.HEADS.SUB_CENTERS",
    "MODEL.HEADS.SAMPLED_CLASSES",
}


def feature_origin(cfg, splits, device):
    """Return all that decides the features of splits.query + splits.gallery; features of equal origins are the same.

    Weights, or a descriptor's vocabulary, are told by their bytes, wherever they lie; drawings by their paths below
    DATASETS.ROOT, in order, with size and time of change. Batch size, worker processes and packs do not change a drawing's
    feature and are left out.

    Args:
        cfg: the configuration.
        splits: Splits of the test set.
        device: torch.device that extracts.

    Returns:
        dict of plain JSON values: weights, configuration, drawings, device, software.

    Raises:
        OSError: the weights or a drawing cannot be read.
    """
    software = {"fastpatent": fastpatent.__version__, "pillow": PIL.__version__}
    if cfg.DESCRIPTOR.NAME:
        weights, computed_on = vocabulary_file(cfg), "cpu"
        configuration = {"DESCRIPTOR.NAME": cfg.DESCRIPTOR.NAME}
        software |= {name: importlib.import_module(name).__version__ for name in ("skimage", "cv2")}
    else:
        weights, computed_on = cfg.MODEL.WEIGHTS, device.type
        deciding = (*BEYOND_MODEL, *(OF_TWO_TOWERS if cfg.MODEL.META_ARCHITECTURE == "PatentCLIP" else ()))
        configuration = {key: value for key, value in leaves(cfg) if key in deciding or _decides_network(key)}
        software |= {"torch": torch.__version__}
    origin = {
        "weights": None if weights is None else sha256_of(weights),
        "configuration": configuration,
        "drawings": _state_of_drawings([*splits.query, *splits.gallery], cfg.DATASETS.ROOT),
        "device": computed_on,
        "software": software,
    }
    return json.loads(json.dumps(origin))  # as a file gives it back: tuples are lists there


def origin_key(origin):
    """Return the SHA-256 of an origin, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()


def differences(origin, other):
    """Name the parts in which two origins differ; of the configuration, the keys."""
    names = [name for name, value in origin.items() if other[name] != value]
    if "configuration" in names:
        keys = origin["configuration"].keys() | other["configuration"].keys()
        keys = sorted(key for key in keys if origin["configuration"].get(key) != other["configuration"].get(key))
        names[names.index("configuration")] = f"configuration ({', '.join(keys)})"
    return names


def _decides_network(key):
    if not key.startswith("MODEL.") or key in ("MODEL.DEVICE", "MODEL.WEIGHTS") or key in OF_TRAINING or is_ignored(key):
        return False
    return not key.startswith(("MODEL.LOSSES.", "MODEL.CLIP.")) or key == "MODEL.LOSSES.NAME"


def _state_of_drawings(samples, root):
    digest = hashlib.sha256()
    for name, sample in zip(names_below(root, samples), samples):
        state = os.stat(sample.path)
        digest.update(os.fsencode(name))
        digest.update(f"\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return {"count": len(samples), "sha256": digest.hexdigest()}
