"""What stands before every request: names of the host, a token, where a change comes from, how often, how large."""

import asyncio
import hmac
import ipaddress
import json
import math
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastpatent.errors import shown

POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a form of our own pages would come from the origin "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
COOKIE = "fastpatent_token_"  # and the port: browsers send cookies to all ports of a host
OPEN = ("/healthz",)  # without a token: it says nothing of the index
PICTURES = ("/static/", "/thumbnails/", "/drawings/", "/uploads/")  # a page has hundreds
PICTURE_FACTOR = 20  # times the rate of other requests
BURST = 5  # seconds of requests that may come at once
MOST_CLIENTS = 10_000
MOST_BODY_SECONDS = 60


class Buckets:
    """Token buckets: each client has `rate` requests a second, and BURST seconds of them at once.

    Args:
        rate: requests a second; 0: any number.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when that was

    def wait(self, client: str, now: float) -> float:
        """Count a request of a client; return 0, or after how many seconds it may come again."""
        if not self.rate:
            return 0
        most = max(1.0, BURST * self.rate)
        left, then = self._clients.pop(client, (most, now))
        left = min(most, left + (now - then) * self.rate)
        self._clients[client] = max(left - 1, 0) if left >= 1 else left, now
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return 0 if left >= 1 else (1 - left) / self.rate


class Refused(Exception):
    """A request that is not answered: a status, why, and headers."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Protection:
    """ASGI middleware; what it finds wrong with a body, while the app reads it, it raises there, as Refused.

    Args:
        app: what answers.
        names: of the host, beside those of `is_own_name`.
        token: that a client has to know; "" where none is needed.
        rate: requests of a client a second; 0: any number.
        most_bytes: of the body of a request.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str], token: str, rate: float, most_bytes: int) -> None:
        self.app, self.names, self.token, self.most_bytes = app, {*names}, token, most_bytes
        self._requests, self._pictures = Buckets(rate), Buckets(rate * PICTURE_FACTOR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "private, no-cache")
            await send(message)

        try:
            if not (answer := self._check(scope)):
                return await self.app(scope, self._bounded(receive), send_with_headers)
        except Refused as error:
            if "text/html" in Headers(scope=scope).get("accept", ""):  # a person's browser
                answer = Response(f"{error.reason}\n", error.status, error.headers, "text/plain")
            else:
                answer = Response(json.dumps({"error": error.reason}), error.status, error.headers, "application/json")
        await answer(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> Response | None:
        """Raise Refused where a request is not answered; return what is answered in its place, None for most."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if not self._is_own(host):
            raise Refused(421, f"the host {shown(host)} is not this server; start it with --name where it is called so")
        client = (scope.get("client") or ("",))[0]
        buckets = self._pictures if path.startswith(PICTURES) else self._requests
        if path not in OPEN and (seconds := buckets.wait(client, time.monotonic())):
            raise Refused(429, "too many requests; wait a moment", retry_after=str(math.ceil(seconds)))
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            _check_origin(headers, host)
        if headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")) > self.most_bytes:
            raise self._too_large()
        return self._check_token(scope, headers) if self.token and path not in OPEN else None

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        given, cookie = headers.get("authorization", "").removeprefix("Bearer "), f"{COOKIE}{scope['server'][1]}"
        if self._is_token(given) or self._is_token(HTTPConnection(scope).cookies.get(cookie, "")):
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["method"] == "GET" and any(name == "token" and self._is_token(value) for name, value in pairs):
            rest = urlencode([(name, value) for name, value in pairs if name != "token"])
            answer = RedirectResponse("/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(cookie, self.token, httponly=True, samesite="strict", secure=scope["scheme"] == "https")
            return answer
        reason = "this server needs its token: open the address that it printed when it started, or send it as Bearer"
        raise Refused(401, reason, www_authenticate="Bearer")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def _is_own(self, host: str) -> bool:
        """Return whether a Host header names this server: an attacker's name that leads here is none of these."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self.names or is_own_name(name)

    def _bounded(self, receive: Receive) -> Receive:
        """Return a `receive` that refuses a body of too many bytes, or one that takes too long, while it arrives."""
        received, ends = 0, None

        async def receive_some() -> Message:
            nonlocal received, ends
            if ends == -1:  # the body is complete: what comes is the end of the connection
                return await receive()
            loop = asyncio.get_running_loop()
            ends = ends or loop.time() + MOST_BODY_SECONDS
            try:
                async with asyncio.timeout_at(ends):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, f"the request took longer than {MOST_BODY_SECONDS} s", connection="close") from None
            received += len(message.get("body", b""))
            if received > self.most_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                ends = -1
            return message

        return receive_some

    def _too_large(self) -> Refused:
        return Refused(413, f"the request has more than {self.most_bytes:,} bytes, it may have so many", connection="close")


def is_own_name(name: str) -> bool:
    """Return whether a name can only be this machine: an address in numbers, which no DNS answers for, or its own name."""
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name in ("localhost", socket.gethostname().lower())


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_origin(headers: Headers, host: str) -> None:
    """Raise Refused where a page of another site sends a change."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (origin is not None and origin.lower().partition("://")[2] != host.lower()):
        raise Refused(403, "a page of another site may not change anything here")
