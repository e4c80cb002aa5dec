"""The table of all configuration keys: source of defaults, checks, docs/configuration.md and the key of cached features."""

from fastpatent.config.key import Key
from fastpatent.config.keys import data, evaluation, model, training

KEYS: dict[str, Key] = {key.name: key for key in (*model.GENERAL, *model.KEYS, *data.KEYS, *training.KEYS, *evaluation.KEYS)}


def add_key(key: Key) -> None:
    """Add a key from outside the package, before a configuration is loaded; ValueError where there is one of this name."""
    if key.name in KEYS:
        raise ValueError(f"there is a key {key.name} already")
    KEYS[key.name] = key
