"""What all HTML pages share: a head that lets a browser load and run nothing but the page's own style and pictures."""

import base64
import hashlib
import html

from fastpatent.text import LONGEST, short_line

MOST = 2000  # characters of a cell or a paragraph: the errors of a configuration fit


def page_head(title: str, style: str) -> str:
    """Return the start of a page, up to its heading.

    Names are escaped where a page is written; should one pass, the policy leaves it no script, style, address or form.

    Args:
        title: plain text, also the heading.
        style: CSS of the page, the only one: elements have no `style` attribute.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    heading = plain(title, LONGEST)
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body><h1>{heading}</h1>"
    )


def plain(text: str, longest: int = MOST) -> str:
    """Return a text of bounded length as HTML that shows it, for elements and quoted attributes."""
    return html.escape(short_line(text, longest))
