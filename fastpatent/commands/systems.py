"""Drawings described by what a configuration names: a trained network, or a classic descriptor."""

from functools import cached_property, partial

import numpy as np

from fastpatent.commands.parts import load_trained
from fastpatent.data.workers import worker_count
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.engine.device import extraction_precision
from fastpatent.engine.progress import ProgressLine
from fastpatent.errors import ConfigError
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.ensemble import member_systems, with_ensemble
from fastpatent.evaluation.retrieval import processings, rank_features, sample_features
from fastpatent.evaluation.text_features import text_features
from fastpatent.evaluation.vocabulary import load_vocabulary


def extractor(cfg, device, log):
    """Return the function (samples, name) -> float32 [drawings, dim] of a configuration's network or descriptor.

    A descriptor's vocabulary is there, or learned, before this returns.
    """
    if cfg.DESCRIPTOR.NAME:
        return _by_descriptor(cfg, DESCRIPTORS.get(cfg.DESCRIPTOR.NAME), log)
    return NetworkExtractor(cfg, device, log)


class NetworkExtractor:
    """Features of drawings, and of texts, by the trained network of a configuration; it is loaded when it is needed."""

    def __init__(self, cfg, device, log):
        self.cfg, self.device, self.log = cfg, device, log
        self.precision = extraction_precision(cfg.TEST.PRECISION)

    @cached_property
    def network(self):
        return load_trained(self.cfg, self.device, self.log)

    def __call__(self, samples, name):
        """Return float32 [samples, dim]; `name` is for the line that counts."""
        model = self.network
        with ProgressLine(f"extracting {name}", len(samples), self.log) as line:
            return sample_features(
                self.cfg, model, samples, self.device, self.precision, line.update,
                lambda source: self.log.say(f"drawings of {name}: {source}"),
            )  # fmt: skip

    def texts(self, texts, name):
        """Return float32 [texts, dim]; ConfigError where the network has no text tower."""
        model = self.network
        if not hasattr(model, "embed_text"):
            raise ConfigError(f"MODEL.META_ARCHITECTURE: {self.cfg.MODEL.META_ARCHITECTURE} has no text tower")
        with ProgressLine(f"reading texts of {name}", len(texts), self.log) as line:
            found = text_features(model, texts, self.device, self.precision, line.update)
        return found


def _by_descriptor(cfg, descriptor, log):
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    vocabulary = load_vocabulary(cfg, workers, log.say, partial(ProgressLine, log=log))

    def describe(samples, name):
        with ProgressLine(f"{cfg.DESCRIPTOR.NAME} {name}", len(samples), log) as line:
            return describe_drawings(descriptor, samples, vocabulary, workers, line.update)

    return describe


def describe_sets(member, sets, device, log, extract=None):
    """Return the `member_systems` of data sets; features are taken from OUTPUT_DIR where they are kept there.

    With TEST.TEXT_WEIGHT each gets one more row, in which the queries ask by their captions too.

    Args:
        member: Member.
        sets: list of Splits.
        device: torch.device.
        log: RunLog.
        extract: the `extractor` of the member's configuration, where it is used for more than this.

    Raises:
        ConfigError: TEST.TEXT_WEIGHT with TEST.WHITENING, or of a network without a text tower.
    """
    cfg = member.cfg
    extract = extract or extractor(cfg, device, log)
    if cfg.TEST.TEXT_WEIGHT and cfg.TEST.WHITENING.ENABLED:
        raise ConfigError("TEST.TEXT_WEIGHT: whitened drawings are not in the space of the texts; switch TEST.WHITENING off")
    systems = member_systems(member, sets, lambda splits: kept_features(cfg, splits, device, extract, log))
    if cfg.TEST.TEXT_WEIGHT:
        for splits, rows in zip(sets, systems):
            name, features = rows[-1]
            mixed = with_query_texts(extract, splits, features, cfg.TEST.TEXT_WEIGHT)
            rows.append((f"{name} + captions of the queries (weight {cfg.TEST.TEXT_WEIGHT:g})", mixed))
    return systems


def with_query_texts(extract, splits, features, weight):
    """Return the features of a data set, its queries mixed with their captions where they have one, see `combine`."""
    query, gallery = np.split(features, [len(splits.query)])
    texts = np.zeros_like(query)
    asking = [row for row, sample in enumerate(splits.query) if sample.caption]
    if asking:
        texts[asking] = extract.texts([splits.query[row].caption for row in asking], f"the queries of {splits.name}")
    return np.concatenate([combine(query, texts, weight), gallery])


def kept_features(cfg, splits, device, extract, log):
    """Return the features of a data set by an `extractor`, or those kept in OUTPUT_DIR, see `cached_features`."""
    fresh = partial(extract, [*splits.query, *splits.gallery], splits.name)
    return cached_features(cfg, splits, device, fresh, log.say)


def evaluate_systems(cfg, members, described, splits, device):
    """Rank a data set by every system that a configuration names, and by what TEST.AQE and TEST.RERANK add to the last.

    Args:
        cfg: the configuration.
        members: list of Member.
        described: list of the members' `describe_sets` of this data set.
        splits: the data set.
        device: torch.device.

    Returns:
        list of (name of a table's row, float32 [drawings, dim] that were ranked, Evaluation), what is asked for last.
    """
    systems = with_ensemble(members, described)
    metric = metric_of(cfg)
    rows = []
    for name, features in systems[:-1]:
        rows.append((name, features, rank_features(name, features, splits, metric, device=device)))
    system, features = systems[-1]
    for name, processing in processings(cfg, system):
        rows.append((name, features, rank_features(name, features, splits, metric, **processing, device=device)))
    return rows


def metric_of(cfg):
    """Return how a configuration's features are compared: a descriptor knows, for networks TEST.METRIC says."""
    return DESCRIPTORS.get(cfg.DESCRIPTOR.NAME).metric if cfg.DESCRIPTOR.NAME else cfg.TEST.METRIC
