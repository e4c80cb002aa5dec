"""All HTML pages: Jinja2 templates with one layout, one style sheet and one script, in a file that loads nothing else."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fastpatent.files import head
from fastpatent.text import short_line

MOST = 2000  # characters of a cell or a paragraph: the errors of a configuration fit
TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, title: str, **values: Any) -> str:
    """Return a page, which a browser lets load and run nothing but the style and the script of this package.

    Every text is escaped and has a bounded length, with the filter `plain` or without it; only `Markup`, such as from
    `picture_url`, goes into the page as it is. Should a name pass all the same, the policy leaves it no script, style,
    address or form.

    Args:
        template: file in templates/; layout.html says what it can use.
        title: of the page, also its heading.
        **values: what the template shows; a missing one is an error.
    """
    return _templates().get_template(template).render(title=title, template=template, contents=[], **values)


def is_page(path: Path, template: str) -> bool:
    """Return whether `render` has written a file by a template; errors as `head`."""
    return f'<meta name="generator" content="fastpatent {template}">'.encode() in head(path)


def environment(folder: Path) -> Environment:
    """Return the templates of a folder, of which every text is escaped and has a bounded length, as of `render`."""
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else _plain(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["plain"] = _plain
    return found


@cache
def _templates() -> Environment:
    templates = environment(TEMPLATES)
    for name, file in (("style", "style.css"), ("script", "page.js")):
        text = (TEMPLATES / file).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        templates.globals |= {name: Markup(text), f"{name}_hash": Markup(f"'sha256-{digest}'")}
    return templates


def lines(text: str, longest: int = MOST) -> Markup:
    """Return a text of several lines, each escaped and bounded, for a template."""
    return Markup("<br>").join(_plain(line, longest) for line in text.splitlines())


def _plain(value: object, longest: int = MOST) -> str:
    return short_line(str(value), longest)
