"""A small index, and a server of it: in this process, and on a port."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="the extra search is not installed: the server cannot be tested")

import uvicorn  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from fastpatent.commands import main  # noqa: E402
from fastpatent.search.server.app import Settings, create_app  # noqa: E402
from tests.browsing import watched_pages  # noqa: E402
from tests.search.test_build import PIXELS  # noqa: E402
from tests.small_sets import write_drawing  # noqa: E402


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory):
    """An index I of six patents p0 to p5 of two drawings, described by their pixels, with titles, classes and dates.

    The drawings d/pN/M.png and the table m.csv lie beside it. Tests write nothing into it.
    """
    root = tmp_path_factory.mktemp("served")
    for number in range(12):
        write_drawing(root / f"d/p{number // 2}/{number}.png", number)
    rows = [
        f"p{n},{('tea kettle', 'chair', 'lamp')[n % 3]} {n},D{n % 2 + 6},0{n % 2 + 6}-01,{2015 + n}-03-01" for n in range(6)
    ]
    (root / "m.csv").write_text("\n".join(["patent,title,classes,locarno,date", *rows]))
    words = [str(root / "d"), "--out", str(root / "I"), "--metadata", str(root / "m.csv")]
    assert main(["index", "build", *words, *PIXELS]) == 0
    return root / "I"


@pytest.fixture
def client(index_folder, tmp_path):
    """A client of a server in this process; errors of the server are raised here."""
    with TestClient(application(index_folder, tmp_path), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def in_a_loop(coroutine):
    """What a coroutine returns, from a loop in a thread: in that of the tests Playwright may have one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def application(index_folder, tmp_path, **settings):
    """The application of an index, with its workspace in a folder of the test."""
    return create_app(Settings(str(index_folder), **{"workspace": str(tmp_path / "workspace.sqlite"), "rate": 0} | settings))


@contextlib.contextmanager
def running(app):
    """Run a server on a port of its own in a thread; give its address, http://127.0.0.1:PORT."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", ws="none", log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def server(index_folder, tmp_path):
    """The address of a server of the small index."""
    with running(application(index_folder, tmp_path)) as address:
        yield address


@pytest.fixture
def visit(browser):
    """Function (address, width=1280, allowed=(), **options of a context) that opens a page and returns Playwright's page.

    At the end no page may have written an error to the console, but those that begin with one of `allowed`, or asked
    another host for anything, and none may be wider than the window.
    """
    with watched_pages(browser) as open_address:

        def visit_address(address, width=1280, **options):
            own = address[: address.index("/", len("http://"))]
            return open_address(address, (own, "data:", "blob:"), width, **options)

        yield visit_address


def faults_of_access(page):
    """What axe finds that is serious or critical for people with a keyboard or a screen reader, in (rule, elements)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: no page is checked")
    found = axe.Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"]) for each in found if each["impact"] in ("serious", "critical")]
