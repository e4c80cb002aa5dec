"""Text that others wrote, made harmless where it is shown: names of files, titles, labels, keys."""

import unicodedata

LONGEST = 300  # characters of a name or a message in a line or a cell; titles of patents have at most 500, few above 100


def escaped(text: str) -> str:
    r"""Return a text on one line that a terminal only shows and UTF-8 can encode: é and 日本 stay, ESC becomes \x1b.

    Escaped as in a Python string are controls, line ends, tabs, marks of direction, characters without width, private and
    unassigned ones, and the surrogates as which Python reads a file name that is not UTF-8. Spaces of any width stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def one_line(text: str, longest: int) -> str:
    """Return a text with one space for each run of spaces and line ends, as a `short_line`."""
    return short_line(" ".join(text.split()), longest)


def short_line(text: str, longest: int = LONGEST) -> str:
    """Return the first `longest` characters of a text, `escaped`, and "..." where it has more."""
    return escaped(text if len(text) <= longest else f"{text[:longest]}...")
