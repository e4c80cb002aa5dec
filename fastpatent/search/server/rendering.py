"""Pages of the server: templates with one layout, as a whole or, for htmx, as what has changed."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from fastpatent.report.page import environment

TEMPLATES = Path(__file__).parent / "templates"


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; for htmx, which asks for a part, its title, its `content` and the links of all pages.

    Args:
        request: that is answered.
        template: file in templates/ that extends app.html.
        status: of HTTP.
        **values: what the template shows; a missing one is an error. `address` and `record` are optional.
    """
    index = request.app.state.searcher.index
    described = {
        "name": index.folder.name or str(index.folder),
        "generation": index.generation,
        "drawings": f"{len(index):,}",
        "patents": f"{len(index.patents):,}",
    }
    values = {"address": "", "record": ""} | values | {"index": described, "here": request.url.path}
    values["partial"] = request.headers.get("hx-request-type") == "partial"
    text = _templates().get_template(template).render(values)
    return HTMLResponse(text, status, {"Vary": "HX-Request-Type", "Cache-Control": "no-store"})


@cache
def _templates() -> Environment:
    return environment(TEMPLATES)


def download(text: str, kind: str, name: str) -> Response:
    """Return a text, in UTF-8, that a browser saves as a file.

    Args:
        text: that is saved.
        kind: media type.
        name: of the file, without quotation marks.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8", "backslashreplace"), headers=headers, media_type=f"{kind}; charset=utf-8")


def download_json(value: Any, name: str) -> Response:
    """Return plain JSON values to `download`, in ASCII: names of files that are not UTF-8 are read back."""
    return download(json.dumps(value, indent=1) + "\n", "application/json", name)
