"""A value as it is written, converted to the type of its key's default."""

from ast import literal_eval
from typing import Any


def coerce(value: Any, default: Any, command_line: bool = False, single: bool = False) -> Any:
    """Return `value` as the type of `default`.

    Text is read as a Python literal where it is one, so that `("Patent",)` and `3.5e-4`, which YAML takes for text, work.
    An int is accepted where a float is expected, a float without remainder where an int is, a list where a tuple is, and an
    empty value where text or a list is. Elements of a list are converted to the type of the default's elements.

    Args:
        value: what YAML or the command line holds.
        default: bool, int, float, str, list or tuple.
        command_line: the text `true` and `false` is read as YAML reads it.
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
    return _list([found] if single and isinstance(found, str) else found, default)


def _number(found: Any, whole: bool) -> int | float:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"expects a {'whole ' * whole}number, got {_named(found)}")
    if not whole:
        return float(found)
    if found != found or found in (float("inf"), float("-inf")) or int(found) != found:
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


def _list(found: Any, default: list | tuple) -> list | tuple:
    kind = type(default)
    if found is None:
        return kind()
    if not isinstance(found, (list, tuple)):
        hint = f'; write ("{found}",)' if isinstance(found, str) else ""
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
        return literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _named(found: Any) -> str:
    """Return what a value is, in words."""
    if found is None:
        return "nothing"
    kinds = {bool: "", int: "the number ", float: "the number ", str: "the text ", dict: "a section ", list: "the list "}
    return kinds.get(type(found), f"the {type(found).__name__} ") + repr(found)
