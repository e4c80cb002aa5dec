"""The table of all configuration keys: source of defaults, checks, docs/configuration.md and the key of cached features."""

from fastpatent.config.key import Key
from fastpatent.config.keys import data, evaluation, model, search, training

KEYS: dict[str, Key] = {
    key.name: key for key in (*model.GENERAL, *model.KEYS, *data.KEYS, *training.KEYS, *evaluation.KEYS, *search.KEYS)
}


def add_key(key: Key) -> None:
    """Add a key from outside the package, before a configuration is loaded; ValueError where its name is taken."""
    for name in KEYS:
        if f"{name}.".startswith(f"{key.name}.") or key.name.startswith(f"{name}."):
            raise ValueError(f"the key {key.name} cannot be added, there is {name} already")
    KEYS[key.name] = key
