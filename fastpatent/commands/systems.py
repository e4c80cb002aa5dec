"""Drawings described by what a configuration names: a trained network, or a classic descriptor."""

from functools import cache, partial

from fastpatent.commands.parts import load_trained
from fastpatent.data.workers import worker_count
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.engine.device import extraction_precision
from fastpatent.engine.progress import ProgressLine
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.ensemble import member_systems, with_ensemble
from fastpatent.evaluation.retrieval import processings, rank_features, sample_features
from fastpatent.evaluation.vocabulary import load_vocabulary


def extractor(cfg, device, log):
    """Return the function (samples, name) -> float32 [drawings, dim] of a configuration's network or descriptor.

    A network is loaded at the first call; a descriptor's vocabulary is there, or learned, before this returns.
    """
    if cfg.DESCRIPTOR.NAME:
        return _by_descriptor(cfg, DESCRIPTORS.get(cfg.DESCRIPTOR.NAME), log)
    network, precision = cache(lambda: load_trained(cfg, device, log)), extraction_precision(cfg.TEST.PRECISION)

    def extract(samples, name):
        model = network()
        with ProgressLine(f"extracting {name}", len(samples), log) as line:
            return sample_features(
                cfg, model, samples, device, precision, line.update, lambda source: log.say(f"drawings of {name}: {source}")
            )

    return extract


def _by_descriptor(cfg, descriptor, log):
    workers, _ = worker_count(cfg.DATALOADER.NUM_WORKERS)
    vocabulary = load_vocabulary(cfg, workers, log.say, partial(ProgressLine, log=log))

    def describe(samples, name):
        with ProgressLine(f"{cfg.DESCRIPTOR.NAME} {name}", len(samples), log) as line:
            return describe_drawings(descriptor, samples, vocabulary, workers, line.update)

    return describe


def describe_sets(member, sets, device, log):
    """Return the `member_systems` of data sets; features are taken from OUTPUT_DIR where they are kept there.

    Args:
        member: Member.
        sets: list of Splits.
        device: torch.device.
        log: RunLog.
    """
    extract = extractor(member.cfg, device, log)

    def features(splits):
        fresh = partial(extract, [*splits.query, *splits.gallery], splits.name)
        return cached_features(member.cfg, splits, device, fresh, log.say)

    return member_systems(member, sets, features)


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
