"""`fastpatent serve INDEX`: the search page and the API of an index, by HTTP."""

import argparse
import logging
import math
import os
import re
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence

from fastpatent import log
from fastpatent.commands.options import Parser, add_download_option, parse_words
from fastpatent.downloads import allow_downloads
from fastpatent.errors import ConfigError

PORT = 8080
MOST_THREADS = 8  # of torch: a few drawings at a time are no work for more
TOKEN = "FASTPATENT_TOKEN"
LETTERS = re.compile(r"[A-Za-z0-9._~-]{16,}", re.ASCII)  # that an address and a cookie hold as they are
# What a command says of each query would be said of each request here.
QUIET = ("fastpatent.evaluation", "fastpatent.data", "fastpatent.progress")
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and serve until Ctrl-C or SIGTERM; return the exit status."""
    args, words = _parse(argv)
    log.start()
    if len(words) != 1:
        raise ConfigError("give the folder of one index: fastpatent serve INDEX")
    allow_downloads(args.allow_downloads)
    # The server's packages are heavy and of an extra.
    import torch
    import uvicorn

    from fastpatent.search.server.app import Settings, create_app
    from fastpatent.search.server.protection import is_loopback

    token = args.token or os.environ.get(TOKEN, "")
    if token and not LETTERS.fullmatch(token):
        raise ConfigError("--token: write 16 or more letters, digits or any of . _ ~ -, or none, and one is made")
    if not 0 <= args.port < 2**16:
        raise ConfigError(f"--port {args.port}: is no port; choose one of 1 to 65535, or 0 for any that is free")
    if not 0 <= args.rate < math.inf or min(args.upload_mb, args.uploads_mb) < 1:
        raise ConfigError("--rate must be a number of 0 or more, --upload-mb and --uploads-mb not below 1")
    if not token and not is_loopback(args.host):
        token = secrets.token_urlsafe(24)
    with _listen(args.host, args.port) as listening:
        settings = Settings(
            words[0], tuple(args.opts), args.workspace, token, tuple(args.name), args.rate, args.upload_mb, args.uploads_mb
        )
        app = create_app(settings)
        torch.set_num_threads(min(MOST_THREADS, len(os.sched_getaffinity(0))))
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        address = _address(args.host, listening.getsockname()[1], token)
        logger.info(f"{words[0]}: searched at {address} until Ctrl-C")
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                h11_max_incomplete_event_size=2**16,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=10,
            )
        )
        if args.open:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends by them, and then calls what was there
            signal.signal(number, lambda *_: None)
        server.run([listening])
    logger.info("ended")
    return 0


def _parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(
        prog="fastpatent serve",
        usage="fastpatent serve INDEX [options] [KEY VALUE]...",
        description="Serve the search page and the API of an index by HTTP. Without --host, this machine alone reaches it.",
    )
    add_download_option(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1; 0.0.0.0: all)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on (default {PORT}; 0: any that is free)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--token", default="", help=f"that clients have to know; also {TOKEN}; without --host of this machine one is made"
    )
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a name by which clients call this host; again for more"
    )
    parser.add_argument(
        "--rate", type=float, default=20, metavar="N", help="requests of a client a second (default 20; 0: any)"
    )
    parser.add_argument("--upload-mb", type=int, default=32, metavar="N", help="megabytes of a request (default 32)")
    parser.add_argument(
        "--workspace", default="", metavar="F", help="SQLite file of uploads and shortlists (INDEX.workspace.sqlite)"
    )
    parser.add_argument("--uploads-mb", type=int, default=1024, metavar="N", help="megabytes of all uploads (default 1024)")
    parser.add_argument(
        "opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="settings of its network: MODEL.DEVICE cpu"
    )
    return parse_words(parser, sys.argv[1:] if argv is None else argv)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; ConfigError where that cannot be done."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise ConfigError(
            f"--host {host} --port {port}: cannot be listened on: {reason}; choose another, or --port 0"
        ) from error


def _address(host: str, port: int, token: str) -> str:
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")
