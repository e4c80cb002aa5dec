"""Which network an index is of: a digest that tells another from it, and the configuration that makes it again."""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import torch
from yacs.config import CfgNode

from fastpatent.config import get_cfg, load_config
from fastpatent.config.checks import broken_rules
from fastpatent.config.default_network import NAME, WEIGHTS
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves, section_of
from fastpatent.config.values import coerce
from fastpatent.data.records import Splits
from fastpatent.device import set_up_device
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.cache_key import feature_origin
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.evaluation.vocabulary import vocabulary_file
from fastpatent.evaluation.whitening import whitening_set
from fastpatent.models.trained import load_trained
from fastpatent.search.index import Index

NOT_STORED = {"MODEL.DEVICE", "OUTPUT_DIR", "DATALOADER.NUM_WORKERS", "DATALOADER.MAX_BROKEN"}  # of a machine or a run


def describe_network(pipeline: Pipeline) -> dict[str, Any]:
    """Return what the manifest has of a network, as plain JSON values.

    Keys: `digest`, SHA-256 of the weights and of all settings that decide features, the same on every device; `config`,
    {key: value} of the settings that differ from their defaults, files by absolute path; `texts`, whether it reads texts;
    `software`, versions.

    Raises:
        CheckpointError: the weights cannot be read; ConfigError: another file that a key names cannot.
    """
    origins = []
    for member, extractor in zip(pipeline.members, pipeline.extractors):
        extractor.prepare()
        learned_on = whitening_set(member.cfg) if member.cfg.TEST.WHITENING.ENABLED else Splits("", [], [], [])
        try:
            origins.append(feature_origin(member.cfg, learned_on, pipeline.device))
        except OSError as error:
            if not member.cfg.DESCRIPTOR.NAME:
                load_trained(member.cfg, pipeline.device)  # which says better what is wrong with weights
            raise ConfigError(f"{error.filename}: the network cannot be read: {error.strerror}") from error
    deciding = [{key: origin[key] for key in ("weights", "configuration", "drawings")} for origin in origins]
    weights = pipeline.cfg.TEST.ENSEMBLE.WEIGHTS if len(origins) > 1 else []
    whitenings = [dict(member.cfg.TEST.WHITENING) for member in pipeline.members if member.cfg.TEST.WHITENING.ENABLED]
    text = json.dumps([deciding, list(weights), whitenings], sort_keys=True)
    return {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "config": _settings(pipeline.cfg),
        "texts": pipeline.reads_texts,
        "software": origins[0]["software"],
    }


def stored_config(folder: str | os.PathLike[str], network: dict[str, Any], overrides: Sequence[str] = ()) -> CfgNode:
    """Return the configuration of an index's network, from its manifest and KEY VALUE pairs.

    Raises:
        DataError: it has a key or a value that this version does not know.
        ConfigError: as `load_config`, of the pairs.
    """
    cfg = get_cfg()
    for key, value in network["config"].items():
        section, name = section_of(cfg, key) or (cfg, "")
        try:
            if key not in KEYS:
                raise ValueError("is no key")
            section[name] = coerce(value, section[name])
        except ValueError as error:
            raise DataError(f"{folder}: the configuration in its manifest is of another version: {key} {error}") from error
    if cfg.MODEL.WEIGHTS == NAME:
        cfg.MODEL.WEIGHTS = WEIGHTS
    if broken := [(key, sentence) for key, sentence in broken_rules(cfg) if key in network["config"]]:
        raise DataError(f"{folder}: the configuration in its manifest is damaged: {' '.join(broken[0])}")
    return load_config(None, overrides, cfg)


def check_network(folder: str | os.PathLike[str], stored: dict[str, Any], network: dict[str, Any]) -> None:
    """Raise DataError where an index, by what its manifest stores, is not of a network of `describe_network`."""
    if stored["digest"] == network["digest"]:
        return
    before, now = stored["config"], network["config"]
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    differing = f"they differ in {', '.join(keys)}" if keys else "its weights were changed"
    raise DataError(f"{folder}: this index is of another network, {differing}; build another index for this one")


def pipeline_of(index: Index, overrides: Sequence[str] = ()) -> Pipeline:
    """Return the network of an index, which turns queries into vectors of its space.

    Args:
        index: that is searched.
        overrides: KEY VALUE pairs, such as MODEL.DEVICE cpu.

    Raises:
        DataError: the weights were changed since, or the configuration is of another version.
        CheckpointError: the weights are gone.
    """
    network = index.manifest["network"]
    cfg = stored_config(index.folder, network, overrides)
    pipeline = tolerant_pipeline(cfg, set_up_device(cfg).device)
    check_network(index.folder, network, describe_network(pipeline))
    return pipeline


def tolerant_pipeline(cfg: CfgNode, device: torch.device) -> Pipeline:
    """Return a Pipeline that skips any number of images that cannot be read."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATALOADER.MAX_BROKEN = 1.0
    cfg.freeze()
    return Pipeline(cfg, device)


def _settings(cfg: CfgNode) -> dict[str, Any]:
    defaults, found = dict(leaves(get_cfg())), {}
    for key, value in leaves(cfg):
        if value != defaults[key] and key not in NOT_STORED and not key.startswith("SEARCH."):  # which stand in the manifest
            found[key] = _absolute(value) if KEYS[key].path else value
    if cfg.DESCRIPTOR.NAME and (vocabulary := vocabulary_file(cfg)):
        found["MODEL.WEIGHTS"] = os.path.abspath(vocabulary)  # of the run in OUTPUT_DIR
    if found.get("MODEL.WEIGHTS") == WEIGHTS:
        found["MODEL.WEIGHTS"] = NAME
    return json.loads(json.dumps(found))  # as the manifest returns it


def _absolute(value: Any) -> Any:
    if isinstance(value, str):
        return os.path.abspath(value) if os.path.exists(value) else value
    return list(map(_absolute, value))
