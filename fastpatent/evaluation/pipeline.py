"""The one way from a configuration to features and metrics: extract, whiten, join, add texts, expand, re-rank, measure.

Training's periodic evaluation, `train --eval-only`, `test`, `benchmark`, `extract`, `find` and `classify` all use it.
Everything before `Features` is independent of ranking, everything after it is independent of networks.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import NamedTuple

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent.config.keys.evaluation import AUTO
from fastpatent.data.records import Sample, Splits, captioned
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.ensemble import Member, join_features, read_members
from fastpatent.evaluation.extractor import Extractor, build_extractor
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import Evaluation, processings, rank_features
from fastpatent.evaluation.text_image import TextImageMetrics, text_image_metrics
from fastpatent.evaluation.whitening import whitening_set
from fastpatent.models import Network, build_tokenizer
from fastpatent.registry import METRICS
from fastpatent.retrieval.distance import normalise
from fastpatent.retrieval.metrics import IMAGES, mean_of
from fastpatent.retrieval.whitening import Whitening, learn_whitening

logger = logging.getLogger(__name__)


class SetResult(NamedTuple):
    """What a configuration achieves on one data set.

    Attributes:
        splits: the data set.
        evaluations: list of Evaluation, one per row of a table; the last is what the configuration asks for.
        texts: list of (network, TextImageMetrics between images and their texts), of each network that reads texts; empty
            where the data set has none.
        unreadable: how many queries and gallery images cannot be read; they are not in `splits`.
    """

    splits: Splits
    evaluations: list[Evaluation]
    texts: list[tuple[str, TextImageMetrics]]
    unreadable: int = 0

    @property
    def summary(self) -> dict[str, float]:
        """Metric name -> mean, of the last evaluation, and of the texts where one network reads them."""
        return self.evaluations[-1].summary | (self.texts[0][1].summary if len(self.texts) == 1 else {})

    def renamed(self, name: str) -> "SetResult":
        """Return the result of one network under another name, without its features."""
        name += _without(self.unreadable)
        evaluations = [replace(evaluation, name=name, features=None) for evaluation in self.evaluations]
        return self._replace(evaluations=evaluations, texts=[(name, metrics) for _, metrics in self.texts])


class Pipeline:
    """The systems of a configuration, ready to describe and to rank data sets.

    Args:
        cfg: the configuration.
        device: where networks run and features are ranked.
        network: a network in training, which takes the place of MODEL.WEIGHTS; its features are not cached, and an ensemble,
            which is made of finished networks, is not built.
        name: of the system in tables, where it is not an ensemble; "network" or the descriptor's name where not given.

    Raises:
        ConfigError: as `read_members`; or TEST.TEXT_WEIGHT with whitening, or of a network that has no text tower.
    """

    def __init__(self, cfg: CfgNode, device: torch.device, network: Network | None = None, name: str = "") -> None:
        self.cfg, self.device, self._cached = cfg, device, network is None
        self.members = read_members(cfg) if network is None else [Member("network", cfg, 1.0)]
        if name and len(self.members) == 1:
            self.members = [self.members[0]._replace(name=name)]
        self.extractors: list[Extractor] = [build_extractor(member.cfg, device, network) for member in self.members]
        self._whitenings: dict[int, Whitening | None] = {}  # None on every process but the first
        for member, extractor in zip(self.members, self.extractors):
            _check_text_weight(member.cfg, extractor)

    def check(self) -> None:
        """Raise what an evaluation would raise for want of data, before a training that ends with one."""
        for member in self.members:
            if member.cfg.TEST.WHITENING.ENABLED:
                whitening_set(member.cfg)

    @property
    def measures_texts(self) -> bool:
        """Whether a network has a text tower, so that a set of captioned images can be measured without image queries."""
        return any(extractor.reads_texts for extractor in self.extractors)

    @property
    def reads_texts(self) -> bool:
        """Whether texts and images have features in one space: one network with a text tower, as it is."""
        whitened = self.members[0].cfg.TEST.WHITENING.ENABLED
        return len(self.members) == 1 and self.extractors[0].reads_texts and not whitened

    def features(self, splits: Splits, cached: bool = True, broken: dict[str, str] | None = None) -> list[Features]:
        """Return the features of a data set by every system of the configuration; what it asks for comes last.

        For each network its features, whitened where TEST.WHITENING asks for it, the queries mixed with their captions where
        TEST.TEXT_WEIGHT does; then the ensemble, where there is one. Every process must call this; all but the first get [].

        Args:
            splits: the data set; `query` and `gallery` are read.
            cached: use and write OUTPUT_DIR/features, see `cached_features`; those that whitening is learned on always do.
            broken: see `NetworkExtractor.embed_images`.
        """
        numbers = range(len(self.members))
        of_members = [self._of_member(number, splits, cached and self._cached, broken) for number in numbers]
        rows = [row for rows in of_members for row in rows]
        if len(self.members) > 1 and rows:
            last, weights = [rows[-1] for rows in of_members], [member.weight for member in self.members]
            query, gallery = [features.query for features in last], [features.gallery for features in last]
            joined = join_features(query, weights), join_features(gallery, weights)
            rows.append(Features(f"ensemble of {len(self.members)}", *joined, metric=self.cfg.TEST.METRIC))
        return rows

    def evaluate(self, splits: Splits, every: bool = True, tolerant: bool = False) -> SetResult | None:
        """Rank and measure a data set; None on every process but the first.

        Args:
            splits: the data set.
            every: every system and every step of its processing; False: only what the configuration asks for.
            tolerant: up to DATALOADER.MAX_BROKEN images of a set with identities may be unreadable: they are excluded from
                queries and gallery, and the rows of tables say so. Else, and without identities, each is an error.
        """
        labelled = any(sample.identity is not None for sample in splits.query)
        broken: dict[str, str] = {}
        systems = self.features(splits, broken=broken if tolerant and labelled else None)
        if not systems:
            return None
        if broken:
            splits, systems = _readable(splits, systems, broken)
        evaluations = []
        if every:
            evaluations = [rank_features(features, splits, device=self.device) for features in systems[:-1]]
        last = systems[-1]
        steps = processings(self.cfg, last.name)
        for name, processing in steps if every else steps[-1:]:
            evaluations.append(rank_features(last, splits, name, **processing, device=self.device))
        texts = self._measure_texts(splits, systems)
        for evaluation in evaluations:
            evaluation.name += _without(len(broken))
        return SetResult(splits, evaluations, texts, len(broken))

    def embed_images(self, samples: Sequence[Sample], name: str, broken: dict[str, str] | None = None) -> np.ndarray | None:
        """Return what the configuration asks for of images that are no data set, float32 [samples, dim], not cached.

        None on every process but the first; for `broken` see `NetworkExtractor.embed_images`.
        """
        found = self.features(Splits(name, [], [], list(samples)), cached=False, broken=broken)
        return found[-1].gallery if found else None

    def embed_texts(self, texts: Sequence[str], name: str) -> np.ndarray:
        """Return float32 [texts, dim], in the space of the images.

        Raises:
            ConfigError: the configuration has no text tower, an ensemble or whitening.
        """
        if not self.reads_texts:
            reason = "is joined or whitened, so texts are not in the space of its images"
            if not self.extractors[0].reads_texts:
                reason = "reads no text; use a PatentCLIP"
            raise ConfigError(f"{self.members[0].name} {reason}")
        return self.extractors[0].embed_texts(texts, name)

    def _of_member(self, number: int, splits: Splits, cached: bool, broken: dict[str, str] | None) -> list[Features]:
        member, extractor = self.members[number], self.extractors[number]
        found = self._extract(number, splits, cached, broken)
        whitening = self._whitening(number, found) if member.cfg.TEST.WHITENING.ENABLED else None
        if found is None:
            return []
        rows = [Features(member.name, *np.split(found, [len(splits.query)]), metric=extractor.metric)]
        if whitening:
            query, gallery = (whitening.apply(normalise(side)) for side in (rows[0].query, rows[0].gallery))
            rows.append(rows[0]._replace(name=f"{member.name} + whitening", query=query, gallery=gallery))
        weight = member.cfg.TEST.TEXT_WEIGHT
        if weight:
            name = f"{rows[-1].name} + captions of the queries (weight {weight:g})"
            query = _with_captions(extractor, splits, rows[-1].query, weight)
            rows.append(rows[-1]._replace(name=name, query=query))
        return rows

    def _extract(self, number: int, splits: Splits, cached: bool, broken: dict[str, str] | None) -> np.ndarray | None:
        member, extractor = self.members[number], self.extractors[number]

        def extract() -> np.ndarray | None:
            return extractor.embed_images([*splits.query, *splits.gallery], splits.name, broken)

        if not cached:
            return extract()
        extractor.prepare()  # for the key of the cache
        return cached_features(member.cfg, splits, self.device, extract, broken)

    def _whitening(self, number: int, features: np.ndarray | None) -> Whitening | None:
        """Return the whitening of a member, learned once on training images; None on every process but the first."""
        if number not in self._whitenings:
            settings = self.members[number].cfg.TEST.WHITENING
            if features is not None and settings.DIM > features.shape[1]:
                raise ConfigError(
                    f"TEST.WHITENING.DIM is {settings.DIM}, but the features have only {features.shape[1]} dimensions"
                )
            splits, broken = whitening_set(self.members[number].cfg), {}
            learned_on = self._extract(number, splits, self._cached, broken)
            if learned_on is not None and broken:
                learned_on = learned_on[are_readable([*splits.query, *splits.gallery], broken)]
            learned = None if learned_on is None else learn_whitening(normalise(learned_on), settings.DIM)
            self._whitenings[number] = learned  # None too, or the processes would extract different sets next time
        return self._whitenings[number]

    def _measure_texts(self, splits: Splits, systems: Sequence[Features]) -> list[tuple[str, TextImageMetrics]]:
        """Return (name, how images and their texts find each other) of every network that reads texts."""
        samples = [*splits.query, *splits.gallery]
        rows = captioned(samples)
        if not rows:
            return []
        texts, identities = [samples[row].caption or "" for row in rows], [samples[row].identity for row in rows]
        by_name, options = {features.name: features for features in systems}, (self.cfg.BENCHMARK.RESAMPLES, self.cfg.SEED)
        measured = []
        for member, extractor in zip(self.members, self.extractors):
            if extractor.reads_texts:
                images, found = by_name[member.name].all[rows], extractor.embed_texts(texts, splits.name)
                metrics = text_image_metrics(images, found, identities, texts, *options, self.device)
                measured.append((member.name, metrics))
        return measured


def best_metric(cfg: CfgNode, network: Network, test_sets: Sequence[Splits]) -> str:
    """Return the name of the metric that chooses the best checkpoint of a network, on the first test set.

    TEST.BEST_METRIC, or the mean of those it names; by auto the network's own, or mAP where that is of texts and the test
    set has none.

    Raises:
        ConfigError: TEST.BEST_METRIC is a metric of texts, and the network does not read them or the test set has none; or
            its metrics have no mean.
    """
    automatic = cfg.TEST.BEST_METRIC == [AUTO]
    name = network.best_metric if automatic else mean_of(cfg.TEST.BEST_METRIC)
    if METRICS.get(name).rankings == {IMAGES} or not test_sets:
        return name
    first = test_sets[0]
    if build_tokenizer(cfg) is None:
        architecture = cfg.MODEL.META_ARCHITECTURE
        raise ConfigError(f"TEST.BEST_METRIC: {name} is measured on texts, which {architecture} does not read")
    if captioned([*first.query, *first.gallery]):
        return name
    if automatic:
        logger.info(f"best checkpoint by mAP: {first.name} has no captions for {name}")
        return "mAP"
    raise ConfigError(f"TEST.BEST_METRIC: {name} is measured on texts, and {first.name} has no captions")


def _check_text_weight(cfg: CfgNode, extractor: Extractor) -> None:
    if cfg.TEST.TEXT_WEIGHT and cfg.TEST.WHITENING.ENABLED:
        raise ConfigError("TEST.TEXT_WEIGHT: whitened images are not in the space of the texts; switch TEST.WHITENING off")
    if cfg.TEST.TEXT_WEIGHT and not extractor.reads_texts:
        raise ConfigError("TEST.TEXT_WEIGHT: the network has no text tower; use a PatentCLIP, or weight 0")


def _without(unreadable: int) -> str:
    return f", without {unreadable} unreadable image{'s' * (unreadable > 1)}" if unreadable else ""


def are_readable(samples: Sequence[Sample], broken: Mapping[str, str]) -> np.ndarray:
    """Return bool [samples]: which of them are not among the images {path: reason} that cannot be read."""
    return np.array([sample.path not in broken for sample in samples], bool)


def _readable(splits: Splits, systems: Sequence[Features], broken: Mapping[str, str]) -> tuple[Splits, list[Features]]:
    """Return a data set and its features without the images {path: reason} that cannot be read.

    Raises:
        DataError: no query or no gallery image is left.
    """
    masks = [are_readable(side, broken) for side in (splits.query, splits.gallery)]
    sides = [list(compress(side, mask)) for side, mask in zip((splits.query, splits.gallery), masks)]
    if not all(sides):
        raise DataError(f"{splits.name}: {next(iter(broken.values()))}; no other query or gallery image is left")
    query, gallery = masks
    readable = [found._replace(query=found.query[query], gallery=found.gallery[gallery]) for found in systems]
    return replace(splits, query=sides[0], gallery=sides[1]), readable


def _with_captions(extractor: Extractor, splits: Splits, query: np.ndarray, weight: float) -> np.ndarray:
    """Return the features of the queries, mixed with their captions where they have one, see `combine`."""
    texts = np.zeros_like(query)
    asking = captioned(splits.query)
    if asking:
        captions = [splits.query[row].caption or "" for row in asking]
        texts[asking] = extractor.embed_texts(captions, f"the queries of {splits.name}")
    return combine(query, texts, weight)
