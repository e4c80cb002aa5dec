"""The Python interface, which `import fastpatent` offers: a trained network, features of images, ranks and metrics.

Errors are those of `fastpatent.errors`. Nothing is printed; messages go to the logger `fastpatent`, which shows them where
the program asks `logging` for them.
"""

import multiprocessing
import os
from collections.abc import Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from yacs.config import CfgNode

from fastpatent.config import load_config, load_config_in_use
from fastpatent.config.default_network import CONFIG as DEFAULT
from fastpatent.config.in_use import BEST, CONFIG, FINAL
from fastpatent.data.image import grey_drawing
from fastpatent.data.records import Sample
from fastpatent.device import set_up_device
from fastpatent.errors import CheckpointError, ConfigError, DataError, missing_extra, shown
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.models import Network
from fastpatent.models.trained import load_trained
from fastpatent.progress import Report, reported_to
from fastpatent.retrieval.ranking import Ranking
from fastpatent.retrieval.ranking import rank as rank_rows

FilePath = str | os.PathLike[str]
AnyImage = FilePath | Image.Image | np.ndarray
PATHS, PIXELS = (str, os.PathLike), (Image.Image, np.ndarray)  # of which an image may be
Identifiers = Iterable[Hashable | None]


class Embedder:
    """A trained network that turns images into features, as `fastpatent extract` does; `load` makes one.

    Attributes:
        cfg: its configuration, frozen.
    """

    def __init__(self, cfg: CfgNode, device: torch.device, network: Network) -> None:
        self.cfg, self._device, self._network = cfg, device, network
        self._pipelines: dict[int, Pipeline] = {}  # by batch size; each learns a whitening of the configuration once

    @cached_property
    def dim(self) -> int:
        """Dimensions of the features."""
        diagonal = np.where(np.eye(*self.cfg.INPUT.SIZE_TEST), 0, 255).astype(np.uint8)  # of blank paper some are zero
        return self.embed(diagonal).shape[1]

    def embed(
        self, images: AnyImage | Iterable[AnyImage], batch_size: int | None = None, progress: bool | Report = False
    ) -> np.ndarray:
        """Return the features of images, float32 [images, dim], in their order; of a single image [1, dim].

        The configuration decides all of the pre-processing (INPUT) and what is averaged (TEST), as in a test.

        Args:
            images: paths, PIL images and arrays, uint8 [height, width] grey or [height, width, 3 or 4] RGB or RGBA, in any
                mixture; or one of them.
            batch_size: of the network; TEST.IMS_PER_BATCH where not given.
            progress: True shows a line on a terminal; a function is called with (images done, images in all).

        Raises:
            DataError: there is no image, or one cannot be read: its path is named, or its place as `images[3]`.
        """
        if isinstance(images, PATHS + PIXELS) or not isinstance(images, Iterable):
            images = [images]
        samples = [_sample(image, f"images[{place}]", self.cfg.INPUT.MAX_PIXELS) for place, image in enumerate(images)]
        pipeline = self._pipeline(batch_size)
        with _showing(progress):
            features = pipeline.embed_images(samples, "images")
        assert features is not None, "one process embeds everything"
        return features

    def embed_texts(self, texts: str | Iterable[str], progress: bool | Report = False) -> np.ndarray:
        """Return the features of texts, float32 [texts, dim], in the space of the images; of a single text [1, dim].

        Raises:
            ConfigError: the network reads no texts.
            DataError: there is no text, or one is no str.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        wrong = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if not texts or wrong is not None:
            raise DataError("there is no text" if wrong is None else f"texts[{wrong}]: {shown(texts[wrong])} is no text")
        with _showing(progress):
            return self._pipeline(None).embed_texts(texts, "texts")

    def _pipeline(self, batch_size: int | None) -> Pipeline:
        size = self.cfg.TEST.IMS_PER_BATCH if batch_size is None else batch_size
        if not isinstance(size, int | np.integer) or size < 1:
            raise ConfigError(f"batch_size: {shown(size)} is no whole number of 1 or more")
        if size not in self._pipelines:
            cfg = self.cfg.clone()
            cfg.defrost()
            cfg.TEST.IMS_PER_BATCH = int(size)
            cfg.freeze()
            self._pipelines[int(size)] = Pipeline(cfg, self._device, self._network)
        return self._pipelines[int(size)]


def load(
    run: FilePath | None = None,
    *,
    config: FilePath | None = None,
    weights: FilePath | None = None,
    device: str | torch.device | None = None,
) -> Embedder:
    """Return a trained network: the one in the box, that of a run, or that of a configuration.

    Args:
        run: folder that `fastpatent train` has written; its config.yaml is read, and model_best.pth, else model_final.pth.
        config: YAML file, or name of one that comes with fastpatent, in place of a run; that of a run means its weights.
        weights: file, in place of the run's or of MODEL.WEIGHTS.
        device: in place of MODEL.DEVICE; without a GPU, cuda is the CPU.

    Raises:
        ConfigError: the configuration is missing or wrong, or is of a descriptor or an ensemble.
        CheckpointError: the weights are missing, cannot be read or belong to another network.
    """
    if run is not None and config is not None:
        raise ConfigError("load: give the folder of a run or a configuration, not both")
    file = config or (DEFAULT if run is None else Path(run) / CONFIG)
    given = weights is not None or run is not None
    cfg = (load_config(file) if given else load_config_in_use(file)).clone()
    cfg.defrost()
    if given:
        cfg.MODEL.WEIGHTS = os.fspath(weights or _weights_of(Path(run or "")))
    if device is not None:
        cfg.MODEL.DEVICE = str(device)
    if not _may_start_processes():
        cfg.DATALOADER.NUM_WORKERS = 0
    cfg.freeze()
    if cfg.TEST.ENSEMBLE.CONFIGS:
        raise ConfigError(f"{file}: TEST.ENSEMBLE.CONFIGS names several networks; load each of them")
    chosen = set_up_device(cfg).device
    try:
        return Embedder(cfg, chosen, load_trained(cfg, chosen))
    except ModuleNotFoundError as error:
        if not (sentence := missing_extra(error)):
            raise
        raise ConfigError(f"{file}: {sentence}") from error


def rank(query: np.ndarray, gallery: np.ndarray, k: int = 10, metric: str = "cosine") -> Ranking:
    """Return the `k` nearest gallery rows of every query; exact, ties go to the lower row.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: limited to the size of the gallery.
        metric: cosine, euclidean or normalized_euclidean.

    Returns:
        Ranking: `indices` int64 [queries, k], rows of the gallery, best first; `scores` float32 [queries, k], cosines or
        negative distances.

    Raises:
        DataError: features that are not finite or of different dimension.
    """
    return rank_rows(query, gallery, k, metric=metric)


def evaluate(
    query: np.ndarray, gallery: np.ndarray, query_ids: Identifiers, gallery_ids: Identifiers, metric: str = "cosine"
) -> dict[str, float]:
    """Return {name: mean over the queries} of the metrics in the tables of `fastpatent test`: mAP, Acc@1...

    Queries without a gallery row of their identity are excluded from the means; `queries` counts the others, and
    `unmatched` these.

    Args:
        query, gallery, metric: as of `rank`.
        query_ids, gallery_ids: identity of each row, as text or number (1 and "1" are the same); None: of no identity.

    Raises:
        DataError: as `rank`; or as many identities as features are needed.
    """
    names = [[None if found is None else str(found) for found in side] for side in (query_ids, gallery_ids)]
    metrics = rank_rows(query, gallery, identities=(names[0], names[1]), metric=metric).metrics
    assert metrics, "identities were given"
    return dict(metrics.summary)


def _weights_of(run: Path) -> Path:
    """Return the weights of a run, the best where it has been evaluated."""
    for name in (BEST, FINAL):
        if (run / name).is_file():
            return run / name
    raise CheckpointError(f"{run}: it holds neither {BEST} nor {FINAL}; finish the training, or name a file by weights=")


def _may_start_processes() -> bool:
    """Return whether images may be read by other processes; these would run a script from its start where none is forked."""
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return method == "fork" and not multiprocessing.current_process().daemon


def _sample(image: object, name: str, most: int) -> Sample:
    if isinstance(image, PATHS):
        return Sample(os.path.abspath(image), None)
    if isinstance(image, PIXELS):
        return Sample(name, None, image=grey_drawing(image, name, most))
    raise DataError(f"{name}: an image is a path, a PIL image or a uint8 array, not {shown(image)}")


def _showing(progress: bool | Report) -> AbstractContextManager[None]:
    """Return the context in which a ProgressLine shows itself, calls a function, or does nothing."""
    return nullcontext() if progress is True else reported_to(progress or (lambda done, total: None))
