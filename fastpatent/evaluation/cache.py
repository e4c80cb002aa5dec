"""Features kept in OUTPUT_DIR/features, and used again while nothing that decides them changed."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import numpy as np

from fastpatent.evaluation.feature_origin import differences, feature_origin, origin_key
from fastpatent.files import write_atomically

FORMAT = 1


def cached_features(cfg, splits, device, extract, say):
    """Return the features of a test set: the kept ones where nothing that decides them changed, else new ones to keep.

    Kept features that cannot be used are no error, and neither is a disk that takes no new ones: a line says so.

    Args:
        cfg: the configuration; with TEST.CACHE_FEATURES False this is `extract()`.
        splits: Splits of the test set.
        device: torch.device that extracts.
        extract: function () -> float32 [queries + gallery, dim]; called only where needed.
        say: function of one line of text.

    Returns:
        float32 array [queries + gallery, dim].
    """
    if not cfg.TEST.CACHE_FEATURES:
        return extract()
    try:
        origin = feature_origin(cfg, splits, device)
    except OSError:
        return extract()  # it knows better what to say of weights or drawings that cannot be read
    kept = KeptFeatures(Path(cfg.OUTPUT_DIR) / "features", splits.name)
    title = f"features of {splits.name}:"
    try:
        features = kept.read(origin)
    except Unusable as reason:
        say(f"{title} extracted again, {reason}")
        features = None
    if features is not None:
        say(f"{title} kept from {kept.written}, same weights, configuration and drawings ({kept.array})")
        return features
    features = extract()
    try:
        if feature_origin(cfg, splits, device) != origin:
            say(f"{title} not kept, weights or drawings were changed while they were read")
        else:
            kept.write(features, origin, {"weights": cfg.MODEL.WEIGHTS, "drawings": cfg.DATASETS.ROOT})
            say(f"{title} kept in {kept.array}")
    except OSError as error:
        say(f"warning: {title} not kept, {error.filename}: {error.strerror}")
    return features


class Unusable(Exception):
    """Why kept features are not used: the end of a sentence."""


class KeptFeatures:
    """The features of one test set on disk.

    Args:
        folder: where they lie; made by `write`.
        name: the test set's.

    Attributes:
        array: Path of `<name>.npy`, float32 [drawings, dim].
        record: Path of `<name>.json`: origin and its key, when it was written, the SHA-256 of `<name>.npy`. It is written
            after the array, so it never speaks of one that is not whole.
        written: when, as text; None before `read`.
    """

    def __init__(self, folder, name):
        self.array, self.record = Path(folder) / f"{name}.npy", Path(folder) / f"{name}.json"
        self.written = None

    def read(self, origin):
        """Return the features; None where nothing is kept.

        Raises:
            Unusable: they are of another origin; or one of the two files is missing, damaged or of another version.
        """
        if not self.array.exists() and not self.record.exists():
            return None
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            self._compare(record, origin)
            with open(self.array, "rb") as array:
                if hashlib.file_digest(array, "sha256").hexdigest() != record["sha256"]:
                    raise Unusable(f"{self.array} is damaged: it has not the checksum in {self.record.name}")
                array.seek(0)
                features = np.load(array)
            self.written = record["written"]
        except OSError as error:
            raise Unusable(f"{error.filename} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"{self.record} is damaged") from error
        return features

    def write(self, features, origin, source):
        """Replace what is kept; an interrupted call leaves the old features, or two files that do not fit together.

        Args:
            features: float32 [drawings, dim].
            origin: of `feature_origin`.
            source: {"weights": file, "drawings": folder}, for people who read the record.

        Raises:
            OSError: with the file's name.
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

        def save(temporary):
            with open(temporary, "w+b") as opened:  # np.save would add a suffix to a bare name
                np.save(opened, features)
                opened.seek(0)
                record["sha256"] = hashlib.file_digest(opened, "sha256").hexdigest()

        self.array.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.array, save)
        write_atomically(self.record, lambda temporary: temporary.write_text(json.dumps(record, indent=1), encoding="utf-8"))

    def _compare(self, record, origin):
        if record["format"] != FORMAT:
            raise Unusable(f"{self.record} is of another version")
        if record["key"] != origin_key(record["origin"]):
            raise Unusable(f"{self.record} is damaged")
        if record["origin"] != origin:
            raise Unusable(f"{self.array} is of other {' and '.join(differences(origin, record['origin']))}")
