"""Features cached in OUTPUT_DIR/features, and read again while nothing that decides them has changed."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.records import Splits
from fastpatent.errors import DataError
from fastpatent.evaluation.cache_key import differences, feature_origin, origin_key
from fastpatent.files import check_output, open_regular, read_regular, write_atomically
from fastpatent.retrieval.distance import first_unusable

FORMAT = 2
MOST_RECORD = 2**20  # bytes; one has about 10,000
MOST_DIM = 2**18  # of a feature; the widest here, Fisher vectors, have 8,256 by default
logger = logging.getLogger(__name__)


def cached_features(
    cfg: CfgNode,
    splits: Splits,
    device: torch.device,
    extract: Callable[[], np.ndarray | None],
    broken: Mapping[str, str] | None = None,
) -> np.ndarray | None:
    """Return the features of a data set: cached ones where nothing that decides them has changed, else new ones.

    A cache that cannot be read or written is logged and is not an error. Several processes extract together, without cache.

    Args:
        cfg: the configuration; with TEST.CACHE_FEATURES False this is `extract()`.
        splits: the data set.
        device: that extracts.
        extract: function () -> float32 [queries + gallery, dim]; called only where needed.
        broken: {path: reason} of images that `extract` could not read; features that lack some are not cached.
    """
    if not cfg.TEST.CACHE_FEATURES or distributed.world_size() > 1:
        return extract()
    try:
        origin = feature_origin(cfg, splits, device)
    except OSError:
        return extract()  # its error message about weights or images that cannot be read is better
    cache = FeatureCache(Path(cfg.OUTPUT_DIR) / "features", splits.name)
    title = f"features of {splits.name}:"
    try:
        features = cache.read(origin)
    except Unusable as reason:
        logger.info(f"{title} extracted again, {reason}")
        features = None
    if features is not None:
        logger.info(f"{title} cached on {cache.written}, same weights, configuration and images ({cache.array})")
        return features
    features = extract()
    assert features is not None, "one process extracts all features"
    if broken:
        logger.info(f"{title} not cached, images that cannot be read have none")
        return features
    try:
        if feature_origin(cfg, splits, device) != origin:
            logger.info(f"{title} not cached, weights or images were changed while they were read")
        else:
            cache.write(features, origin, {"weights": cfg.MODEL.WEIGHTS, "drawings": cfg.DATASETS.ROOT})
            logger.info(f"{title} cached in {cache.array}")
    except OSError as error:
        logger.warning(f"{title} not cached, {error.filename}: {error.strerror}")
    except DataError as error:
        logger.warning(f"{title} not cached, {error}")
    return features


class Unusable(Exception):
    """Why cached features are not used: the end of a sentence."""


class FeatureCache:
    """The features of one test set on disk.

    Args:
        folder: of the files; made by `write`.
        name: of the data set.

    Attributes:
        array: Path of `<name>.npy`, float32 [images, dim].
        record: Path of `<name>.json`: origin and its key, when it was written, the SHA-256 of `<name>.npy`. It is written
            after the array, so it never describes one that is not whole.
        written: when, as text; None before `read`.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        self.array, self.record = Path(folder) / f"{name}.npy", Path(folder) / f"{name}.json"
        self.written: str | None = None

    def read(self, origin: dict[str, Any]) -> np.ndarray | None:
        """Return the features; None where nothing is cached.

        Raises:
            Unusable: they are of another origin; or one of the two files is missing, damaged or of another version. They may
                come from elsewhere and claim anything: no more is read than features of these images can have.
        """
        if not self.array.exists() and not self.record.exists():
            return None
        try:
            record = json.loads(read_regular(self.record, MOST_RECORD))
            self._compare(record, origin)
            with open_regular(self.array) as array:
                self._check_header(array, origin["drawings"]["count"])
                array.seek(0)
                if hashlib.file_digest(array, "sha256").hexdigest() != record["sha256"]:
                    raise Unusable(f"{self.array} is damaged: its checksum is not the one in {self.record.name}")
                array.seek(0)
                features = np.load(array, allow_pickle=False)
            if (row := first_unusable(features, "cosine")) is not None:  # the metric that takes the longest
                raise Unusable(f"{self.array} has values that are not finite or too large, in row {row}")
            self.written = str(datetime.fromisoformat(record["written"]))
        except Unusable:
            raise
        except OSError as error:
            raise Unusable(f"{error.filename} cannot be read: {error.strerror}") from error
        except Exception as error:  # of damaged files, json and numpy raise many kinds
            raise Unusable(f"{self.record} is damaged") from error
        return features

    def write(self, features: np.ndarray, origin: dict[str, Any], source: dict[str, str]) -> None:
        """Replace what is cached; an interrupted call leaves the old features, or two files that do not fit together.

        Args:
            features: float32 [images, dim].
            origin: of `feature_origin`.
            source: {"weights": file, "drawings": folder}, for readers of the record.

        Raises:
            OSError: with the file's name.
            DataError: a file of this name is there that is no cache.
        """
        record = {
            "format": FORMAT,
            "key": origin_key(origin),
            "written": datetime.now().astimezone().isoformat(" ", "seconds"),
            "from": source,
            "origin": origin,
            "shape": features.shape,
            "dtype": str(features.dtype),
        }

        def save(temporary: Path) -> None:
            with open(temporary, "w+b") as opened:  # np.save would add a suffix to a bare name
                np.save(opened, features)
                opened.seek(0)
                record["sha256"] = hashlib.file_digest(opened, "sha256").hexdigest()

        self.array.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.array, self.record):
            check_output(path, "OUTPUT_DIR", lambda _: _are_features(self.array, len(features)) or _is_record(self.record))
        write_atomically(self.array, save)
        write_atomically(self.record, lambda temporary: temporary.write_text(json.dumps(record, indent=1), encoding="utf-8"))

    def _check_header(self, array: BufferedReader, images: int) -> None:
        """Raise Unusable where an array's header or size is not that of features of so many images."""
        try:
            np.lib.format.read_magic(array)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(array)
        except ValueError as error:
            raise Unusable(f"{self.array} is damaged: it has no header of an array") from error
        if len(shape) != 2 or shape[0] != images or not 0 < shape[1] <= MOST_DIM or fortran or dtype != np.float32:
            raise Unusable(f"{self.array} has another shape than features of {images} images")
        if os.fstat(array.fileno()).st_size != array.tell() + images * shape[1] * dtype.itemsize:
            raise Unusable(f"{self.array} is damaged: its size is not that of its header")

    def _compare(self, record: dict[str, Any], origin: dict[str, Any]) -> None:
        if record["format"] != FORMAT:
            raise Unusable(f"{self.record} is of another version")
        if record["key"] != origin_key(record["origin"]):
            raise Unusable(f"{self.record} is damaged")
        if record["origin"] != origin:
            raise Unusable(f"{self.array} is of other {' and '.join(differences(origin, record['origin']))}")


def _are_features(path: Path, images: int) -> bool:
    """Return whether a file is as cached features of so many images, without a record or with a damaged one after a kill."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return isinstance(found, np.ndarray) and found.dtype == np.float32 and found.ndim == 2 and len(found) == images


def _is_record(path: Path) -> bool:
    return {"format", "key", "origin"} <= json.loads(read_regular(path, MOST_RECORD)).keys()
