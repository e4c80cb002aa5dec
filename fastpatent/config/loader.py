"""Configuration from YAML files and the command line: strict, and all that is wrong in one message."""

import logging
import os
from collections.abc import Sequence
from os import PathLike

from yacs.config import CfgNode

from fastpatent.config.by_name import find_file
from fastpatent.config.checks import broken_rules
from fastpatent.config.default_network import NAME, WEIGHTS
from fastpatent.config.defaults import get_cfg
from fastpatent.config.effects import without_effect
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves, nearest_key, section_of
from fastpatent.config.values import coerce, expand_paths
from fastpatent.config.yaml_files import BASE_KEY, COMMAND_LINE, PROBLEMS, Setting, read_settings
from fastpatent.errors import ConfigError
from fastpatent.registry import NORMALISATIONS

LINE = 2000  # characters of a line of a message; a section's names take 1,000
logger = logging.getLogger(__name__)


def load_config(
    config_file: str | PathLike[str] | None = None, overrides: Sequence[str] = (), base: CfgNode | None = None
) -> CfgNode:
    """Merge the defaults, a YAML file with its bases, and KEY VALUE pairs, the later over the earlier.

    Keys of fast-reid that have no effect here are named in one warning where they are set to anything but their default.
    Where MODEL.BACKBONE.PRETRAIN_PATH names published weights, not a file, and neither MODEL.PIXEL_MEAN nor PIXEL_STD is
    set, these are what the weights were trained with.

    Args:
        config_file: path of a YAML file, or name of one that comes with fastpatent, see `by_name`; None for the defaults
            alone.
        overrides: sequence of strings KEY VALUE KEY VALUE...
        base: yacs node to start from instead of the defaults, these two included; not changed.

    Returns:
        frozen yacs CfgNode.

    Raises:
        ConfigError: one line for everything wrong, `file:line: SECTION.KEY what is wrong; nearest valid name`.
    """
    defaults = get_cfg() if base is None else base
    cfg = defaults.clone()
    cfg.defrost()
    problems: list[str] = []
    config_file = find_file(config_file) if config_file else None
    settings = read_settings(config_file, cfg, problems) if config_file else []
    settings += _read_overrides(list(overrides), cfg, problems)
    places: dict[str, str] = {}
    mistyped: set[str] = set()
    for key, value, place in settings:
        found = section_of(cfg, key)
        assert found, f"{key} was looked up while it was read"
        section, name = found
        places[key] = place
        try:
            value = coerce(value, section[name], place == COMMAND_LINE, KEYS[key].single)
            value = WEIGHTS if (key, value) == ("MODEL.WEIGHTS", NAME) else value
            section[name] = expand_paths(value) if KEYS[key].path else value
        except ValueError as error:
            problems.append(f"{place}: {key} {error}")
            mistyped.add(key)
    for key, sentence in broken_rules(cfg):
        if key in places and key not in mistyped:
            problems.append(f"{places[key]}: {key} {sentence}")
    if problems:
        raise ConfigError(listed(problems))
    if base is None and cfg.MODEL.BACKBONE.PRETRAIN_PATH and not places.keys() & {"MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"}:
        _normalise_as_pretrained(cfg)
    _warn_of_ignored(cfg, defaults, places)
    _warn_of_no_effect(cfg, _own_places(places, config_file))
    cfg.freeze()
    return cfg


def _normalise_as_pretrained(cfg: CfgNode) -> None:
    find = NORMALISATIONS.all().get(cfg.MODEL.BACKBONE.NAME)
    if find and (found := find(cfg)):
        cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = found


def listed(problems: list[str]) -> str:
    """Return the message of all problems, of bounded length: a line each, without repetitions."""
    lines = [
        line if len(line) <= LINE else f"{line[: LINE // 2]} ... {line[-LINE // 2 :]}" for line in dict.fromkeys(problems)
    ]
    more = [f"and {len(lines) - PROBLEMS} more"] if len(lines) > PROBLEMS else []
    return "\n".join([*lines[:PROBLEMS], *more])


def _read_overrides(words: list[str], tree: CfgNode, problems: list[str]) -> list[Setting]:
    """Turn KEY VALUE words into settings; a key without a value ends the reading, since all after it would be shifted."""
    if len(words) % 2:
        problems.append(f"{COMMAND_LINE}: settings are KEY VALUE pairs, but {_unpaired(words, tree)}")
        return []
    settings = []
    for key, value in zip(words[::2], words[1::2]):
        if key == BASE_KEY:
            problems.append(f"{COMMAND_LINE}: {BASE_KEY} works in files only")
        elif key.startswith("-"):
            problems.append(f"{COMMAND_LINE}: {key} is no key; options go before the KEY VALUE pairs")
        elif (found := section_of(tree, key)) is None:
            problems.append(f"{COMMAND_LINE}: {key} is no key{nearest_key(key, tree)}")
        elif isinstance(found[0][found[1]], CfgNode):
            names = ", ".join(found[0][found[1]])
            problems.append(f"{COMMAND_LINE}: {key} is a section, not a key; its keys are {names}")
        else:
            settings.append(Setting(key, value, COMMAND_LINE))
    return settings


def _unpaired(words: list[str], tree: CfgNode) -> str | None:
    """Name the word to blame for an odd count: the first that cannot be a key, or has another key in its value's place."""
    for word, following in zip(words[::2], [*words[1::2], None]):
        if word.startswith("-"):
            return f"{word} is an option; options go before the pairs"
        if "=" in word:
            return f"{word} holds an equals sign; write a space instead"
        if following is None or section_of(tree, word) and section_of(tree, following):
            return f"{word} has no value"
    return None


def _own_places(places: dict[str, str], config_file: str | PathLike[str] | None) -> dict[str, str]:
    """Return the {key: place} that the user has written for this very run: not in a base, nor in the file of a run."""
    of_file = "" if config_file is None else f"{os.path.normpath(config_file)}:"
    own = {key: place for key, place in places.items() if place == COMMAND_LINE or place.rpartition(":")[0] + ":" == of_file}
    if len(own) == len(KEYS):  # a run writes them all
        own = {key: place for key, place in own.items() if place == COMMAND_LINE}
    return own


def _warn_of_no_effect(cfg: CfgNode, places: dict[str, str]) -> None:
    named = [f"{key} ({places[key]}): {reason}" for key, reason in without_effect(cfg, places)]
    if named:
        logger.warning("these settings have no effect: %s", "; ".join(named))


def _warn_of_ignored(cfg: CfgNode, defaults: CfgNode, places: dict[str, str]) -> None:
    before = dict(leaves(defaults))
    named = [
        f"{key} ({places[key]})"
        for key, value in leaves(cfg)
        if key in places and KEYS[key].ignored and value != before[key]
    ]
    if named:
        logger.warning("these keys have no effect here: %s", ", ".join(named))
