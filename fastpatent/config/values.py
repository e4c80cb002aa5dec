"""A value as it is written, converted to the type of its key's default."""

import os
import re
import shlex
from ast import literal_eval
from typing import Any

import yaml

from fastpatent.config.bounded_yaml import TEXT, BoundedLoader
from fastpatent.errors import shown

LARGEST = 2**63  # whole numbers are below, as in NumPy and PyTorch
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def coerce(value: Any, default: Any, command_line: bool = False, single: bool = False) -> Any:
    """Return `value` as the type of `default`.

    Text is read as a Python literal where it is one, so that `("Patent",)` and `3.5e-4`, which YAML takes for text, work.
    An int is accepted where a float is expected, a float without remainder where an int is, a list where a tuple is, and an
    empty value where text or a list is. Elements of a list are converted to the type of the default's elements.

    Args:
        value: what YAML or the command line holds.
        default: bool, int, float, str, list or tuple.
        command_line: the text `true` and `false`, and lists in brackets, are read as YAML reads them.
        single: where a list is expected, one text stands for the list of it.

    Raises:
        ValueError: with the end of a sentence, "expects True or False, got the text 'yes'".
    """
    found = _literal(value) if isinstance(value, str) else value
    if isinstance(default, bool):
        if command_line and value in ("true", "false"):
            return value == "true"
        if isinstance(found, bool):
            return found
        raise ValueError(f"expects True or False, got {_named(found)}")
    if isinstance(default, (int, float)):
        return _number(found, whole=isinstance(default, int))
    if isinstance(default, str):
        return _text(value, found)
    if command_line and isinstance(found, str) and found.startswith("["):
        found = _yaml_list(found)
    return _list([found] if single and isinstance(found, str) else found, default, command_line)


def expand_paths(value: Any) -> Any:
    """Replace `~` and variables such as $HOME in a path, or in each of a list of paths.

    Raises:
        ValueError: with the end of a sentence, where a variable is not set and there is no file of this very name, or where
            no file can have this name.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(expand_paths, value))
    if not isinstance(value, str):
        return value
    try:
        if b"\0" in os.fsencode(value):
            raise ValueError
    except ValueError:
        raise ValueError(f"has a character that no file name has, in {shown(value)}") from None
    for match in VARIABLE.finditer(value):
        name = match[1] or match[2]
        if name not in os.environ and not os.path.lexists(value):
            raise ValueError(f"has the variable {name}, which is not set, in {shown(value)}")
    expanded = os.path.expanduser(os.path.expandvars(value))
    if expanded.startswith("~") and not os.path.lexists(expanded):
        raise ValueError(f"has the home of a user who is not here, in {shown(value)}")
    return expanded


def _yaml_list(text: str) -> Any:
    try:
        return yaml.load(text, BoundedLoader)
    except Exception:  # constructors of YAML raise anything
        return text


def _number(found: Any, whole: bool) -> int | float:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"expects a {'whole ' * whole}number, got {_named(found)}")
    if not whole:
        try:
            return float(found)
        except OverflowError:
            raise ValueError(f"expects a number, got one that is too large: {shown(found)}") from None
    if found != found or found in (float("inf"), float("-inf")) or int(found) != found or abs(found) >= LARGEST:
        raise ValueError(f"expects a whole number, got {_named(found)}")
    return int(found)


def _text(value: Any, found: Any) -> str:
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    if isinstance(value, str) and isinstance(found, (int, float)):
        return value
    raise ValueError(f"expects text, got {_named(found)}")


def _list(found: Any, default: list | tuple, command_line: bool) -> list | tuple:
    kind = type(default)
    if found is None:
        return kind()
    if not isinstance(found, (list, tuple)):
        words = [word.strip(" '\"") for word in found.strip(" ()[]").split(",")] if isinstance(found, str) else []
        names = list(filter(None, words))
        listed = yaml.safe_dump(names, default_flow_style=True, width=1000).strip() if names else ""
        hint = f"; write {shlex.quote(listed) if command_line else listed}" if listed and "\n" not in listed else ""
        raise ValueError(f"expects a list, got {_named(found)}{hint}")
    if not default:
        return kind(found)
    element = 0.0 if any(isinstance(entry, float) for entry in default) else default[0]
    try:
        return kind(coerce(entry, element) for entry in found)
    except ValueError as error:
        raise ValueError(f"in its list {error}") from None


def _literal(text: str) -> Any:
    try:
        return literal_eval(text) if len(text) <= TEXT else text
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _named(found: Any) -> str:
    """Return what a value is, in words."""
    if found is None:
        return "nothing"
    kinds = {bool: "", int: "the number ", float: "the number ", str: "the text ", dict: "a section ", list: "the list "}
    return kinds.get(type(found), f"the {type(found).__name__} ") + shown(found)
