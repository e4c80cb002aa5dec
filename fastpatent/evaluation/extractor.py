"""From images and texts to features, by what a configuration names: a trained network, or a classic descriptor."""

import logging
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.image import inverts
from fastpatent.data.image_source import DecodedDrawings
from fastpatent.data.loader import build_quarantine, build_test_loader
from fastpatent.data.records import Sample
from fastpatent.data.workers import worker_count
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.device import extraction_precision
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.features import extract_features
from fastpatent.evaluation.vocabulary import load_vocabulary
from fastpatent.models import Network, build_tokenizer
from fastpatent.models.trained import load_trained
from fastpatent.progress import ProgressLine
from fastpatent.retrieval.distance import first_unusable

TEXTS_AT_ONCE = 256
logger = logging.getLogger(__name__)


class NetworkExtractor:
    """Features by a network, which is loaded when it is first needed.

    Args:
        cfg: the configuration.
        device: where the network runs.
        network: the network to use; None loads the one with MODEL.WEIGHTS.

    Attributes:
        metric: how its features are compared.
    """

    def __init__(self, cfg: CfgNode, device: torch.device, network: Network | None = None) -> None:
        self.cfg, self.device, self.metric = cfg, device, cfg.TEST.METRIC
        self.precision = extraction_precision(cfg.TEST.PRECISION)
        self._tokenize, self._given = build_tokenizer(cfg), network

    @cached_property
    def network(self) -> Network:
        """The network, in evaluation mode unless it was given."""
        return load_trained(self.cfg, self.device) if self._given is None else self._given

    @property
    def reads_texts(self) -> bool:
        """Whether `embed_texts` can be called."""
        return self._tokenize is not None

    def prepare(self) -> None:
        """Do nothing: a network has learned what its features depend on."""

    def embed_images(self, samples: Sequence[Sample], name: str, broken: dict[str, str] | None = None) -> np.ndarray | None:
        """Return float32 [samples, dim] on the first process, None on the others; each process extracts its share.

        Args:
            samples: the images.
            name: what they are, for messages.
            broken: dict that {path: reason} of images that cannot be read is added to on the first process, up to
                DATALOADER.MAX_BROKEN; their rows are NaN. None: each is an error.
        """
        network = self.network
        share = samples[distributed.rank() :: distributed.world_size()]
        loader = build_test_loader(self.cfg, share, self.device, tolerant=broken is not None)
        if self._given is None:  # a training has reported its own, and evaluates often
            logger.info(f"images of {name}: {loader.source_reason}")
        settings = self.cfg.TEST
        with ProgressLine(f"extracting {name}", len(samples)) as line:
            features = extract_features(
                network,
                loader,
                self.device,
                self.precision,
                settings.FLIP.ENABLED,
                line.update,
                settings.SCALES,
                settings.TURNS,
            )
        if broken is not None:
            for found in distributed.collect(loader.quarantine.found) or ():
                broken.update(found)
        if features is not None:
            readable = [place for place, sample in enumerate(samples) if sample.path not in (broken or ())]
            place = first_unusable(features[readable] if broken else features, self.metric)
            if place is not None:
                raise DataError(
                    f"{samples[readable[place]].path}: its features hold NaN or infinity, or are too long or too short for "
                    f"{self.metric}; the weights {self.cfg.MODEL.WEIGHTS} or TEST.PRECISION "
                    f"{settings.PRECISION} are at fault"
                )
        return features

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], name: str) -> np.ndarray:
        """Return float32 [texts, dim]; a text that is repeated is embedded once.

        Raises:
            ConfigError: the network has no text tower.
        """
        if self._tokenize is None:
            raise ConfigError(f"MODEL.META_ARCHITECTURE: {self.cfg.MODEL.META_ARCHITECTURE} has no text tower")
        different = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        network, rows = self.network, []
        was_training = network.training
        network.eval()
        try:
            with ProgressLine(f"embedding texts of {name}", len(different)) as line:
                for start in range(0, len(different), TEXTS_AT_ONCE):
                    tokens = self._tokenize(list(different)[start : start + TEXTS_AT_ONCE]).to(self.device)
                    with self.precision.autocast(self.device):
                        rows.append(network.embed_texts(tokens).float().cpu().numpy())
                    line.update(start + len(tokens))
        finally:
            network.train(was_training)
        return np.concatenate(rows)[[different[text] for text in texts]]


class DescriptorExtractor:
    """Features by the classic descriptor DESCRIPTOR.NAME; its vocabulary is loaded, or learned, when it is first needed.

    Attributes:
        metric: how its features are compared.
    """

    reads_texts = False

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg
        self.descriptor = DESCRIPTORS.get(cfg.DESCRIPTOR.NAME)
        self.metric = self.descriptor.metric
        self.workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)

    @cached_property
    def vocabulary(self) -> dict[str, np.ndarray] | None:
        """What the descriptor has learned; None where it learns nothing."""
        return load_vocabulary(self.cfg, self.workers)

    def prepare(self) -> None:
        """Load or learn the vocabulary, on which the features and the key of their cache depend."""
        if distributed.rank() == 0:
            _ = self.vocabulary

    def embed_images(self, samples: Sequence[Sample], name: str, broken: dict[str, str] | None = None) -> np.ndarray | None:
        """See `NetworkExtractor.embed_images`; the first process does all the work."""
        if distributed.rank() > 0:
            return None
        vocabulary = self.vocabulary
        quarantine = build_quarantine(self.cfg, samples, tolerant=broken is not None)
        given = {sample.path: sample.image for sample in samples if sample.image is not None}
        read = DecodedDrawings(Image.Image.copy, inverts(self.cfg), self.cfg.INPUT.MAX_PIXELS, given)  # at their own size
        with ProgressLine(f"{self.cfg.DESCRIPTOR.NAME} of {name}", len(samples)) as line:
            features = describe_drawings(self.descriptor, samples, vocabulary, self.workers, line.update, read, quarantine)
        if broken is not None:
            broken.update(quarantine.found)
        return features

    def embed_texts(self, texts: Sequence[str], name: str) -> np.ndarray:
        """Raise ConfigError."""
        raise ConfigError(f"DESCRIPTOR.NAME: {self.cfg.DESCRIPTOR.NAME} has no text tower")


Extractor = NetworkExtractor | DescriptorExtractor


def build_extractor(cfg: CfgNode, device: torch.device, network: Network | None = None) -> Extractor:
    """Return the extractor of a configuration's descriptor, or of its network.

    Args:
        network: in place of the one with MODEL.WEIGHTS.
    """
    if cfg.DESCRIPTOR.NAME:
        return DescriptorExtractor(cfg)
    return NetworkExtractor(cfg, device, network)
