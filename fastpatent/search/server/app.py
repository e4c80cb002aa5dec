"""The server as one ASGI application: what it is made of, and what it answers where something is wrong."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import fastpatent
from fastpatent.errors import FastPatentError
from fastpatent.search.milvus import Unreachable
from fastpatent.search.server import api, compare_page, pages, record_pages, workspace_pages
from fastpatent.search.server.batching import Busy
from fastpatent.search.server.metrics import Metrics
from fastpatent.search.server.protection import Protection, Refused
from fastpatent.search.server.searcher import Searcher, Unavailable
from fastpatent.search.server.uploads import Decoder, Unreadable
from fastpatent.search.server.workspace import Missing, Unusable, Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How an index is served.

    Attributes:
        folder: of the index.
        overrides: KEY VALUE pairs for its network.
        workspace: the SQLite file; "" is beside the folder.
        token: that clients have to know; "" where none is needed.
        names: of this host, beside its addresses and its own name.
        rate: requests of a client a second; 0: any number.
        upload_mb: of the body of a request.
        uploads_mb: of all uploads in the workspace.
    """

    folder: str
    overrides: tuple[str, ...] = ()
    workspace: str = ""
    token: str = ""
    names: tuple[str, ...] = ()
    rate: float = 20
    upload_mb: int = 32
    uploads_mb: int = 1024


def create_app(settings: Settings) -> FastAPI:
    """Return the application; errors as of `Searcher` and `Workspace`."""
    metrics = Metrics()
    workspace = Workspace(settings.workspace or f"{Path(settings.folder).absolute()}.workspace.sqlite", settings.uploads_mb)
    searcher = Searcher(settings.folder, workspace.upload, metrics, settings.overrides)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.decoder = Decoder()
        await app.state.decoder.start()
        await searcher.start()
        try:
            yield
        finally:
            await searcher.stop()
            await app.state.decoder.stop()
            workspace.close()

    app = FastAPI(
        title="fastpatent",
        version=fastpatent.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            FastPatentError: _refuse,
            Unavailable: _refuse,
            Busy: _refuse,
            Refused: _refuse,
            HTTPException: _refuse,
            RequestValidationError: _refuse,
            Exception: _fail,
        },
    )
    app.state.searcher, app.state.workspace = searcher, workspace
    app.state.settings, app.state.metrics = settings, metrics
    app.state.comparing = asyncio.Lock()  # regions of drawings are compared one pair at a time, searches come first
    app.include_router(api.router)
    for module in (pages, workspace_pages, record_pages, compare_page):
        app.include_router(module.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    protection = settings.names, settings.token, settings.rate, settings.upload_mb * 10**6
    inner = app.build_middleware_stack
    # Around all that FastAPI has, so that what it answers to a bug has the headers and is counted too.
    app.build_middleware_stack = lambda: _Counted(Protection(inner(), *protection), metrics)
    return app


class _Counted:
    """ASGI middleware that counts requests by their route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(route, scope["method"] if route != "none" else "", status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - start)


async def _refuse(request: Request, error: Any) -> Response:
    """Answer what a client can act on, in one sentence."""
    headers = None
    if isinstance(error, Unreadable):
        status, sentence = error.status, str(error)
    elif isinstance(error, FastPatentError):
        status = 404 if isinstance(error, Missing) else 503 if isinstance(error, Unusable | Unreachable) else 400
        sentence = str(error)
    elif isinstance(error, Unavailable):
        status, sentence = 503, str(error)
    elif isinstance(error, Busy):
        status, sentence, headers = 503, str(error), {"retry-after": "2"}
    elif isinstance(error, Refused):
        status, sentence, headers = error.status, error.reason, error.headers
    elif isinstance(error, HTTPException):
        status, sentence, headers = error.status_code, str(error.detail), error.headers
    else:
        fault = error.errors()[0]
        status, sentence = 422, f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return _answer(request, status, sentence, headers)


async def _fail(request: Request, error: Any) -> Response:
    """Answer a bug, which the log has."""
    return _answer(request, 500, "something went wrong here; the log of the server says what")


def _answer(request: Request, status: int, sentence: str, headers: Any = None) -> Response:
    if "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers:
        response = pages.error_page(request, status, sentence)
        response.headers.update(headers or {})
        return response
    return api.answer_json({"error": sentence}, status, dict(headers or {}))
