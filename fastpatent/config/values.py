"""A value as a person wrote it, turned into the type its key has by default."""

from ast import literal_eval


def coerce(value, default, command_line=False):
    """Return `value` as the type of `default`.

    Text is read as a Python literal where it is one, so that `("Patent",)` and `3.5e-4`, which YAML takes for text, work.
    A whole number serves where a fraction is expected, a fraction without remainder where a whole number is, a list where
    a tuple is, and nothing at all (an empty value) where text or a list is. Elements of a list are turned into the type of
    the default's elements.

    Args:
        value: what YAML or the command line holds.
        default: bool, int, float, str, list or tuple.
        command_line: YAML's lower-case `true` and `false` are then read from text too, which has no other form there.

    Raises:
        ValueError: with the sentence's end, "expects True or False, got the text 'yes'".
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
    return _list(found, default)


def _number(found, whole):
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"expects a {'whole ' * whole}number, got {_named(found)}")
    if not whole:
        return float(found)
    if found != found or found in (float("inf"), float("-inf")) or int(found) != found:
        raise ValueError(f"expects a whole number, got {_named(found)}")
    return int(found)


def _text(value, found):
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    if isinstance(value, str) and isinstance(found, (int, float)):
        return value
    raise ValueError(f"expects text, got {_named(found)}")


def _list(found, default):
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


def _literal(text):
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _named(found):
    """Say what a value is, as its writer would."""
    if found is None:
        return "nothing"
    kinds = {bool: "", int: "the number ", float: "the number ", str: "the text ", dict: "a section ", list: "the list "}
    return kinds.get(type(found), f"the {type(found).__name__} ") + repr(found)
