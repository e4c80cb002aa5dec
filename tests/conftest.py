"""Fixtures that all tests share."""

import shutil
from pathlib import Path

import pytest
import torch

from fastpatent import log

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_runtest_setup(item):
    """Skip the tests marked `cuda` where there is no CUDA GPU."""
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("no CUDA GPU")


@pytest.fixture(autouse=True)
def stopped_log():
    """Stop the log that a test has started."""
    yield
    log.stop()


@pytest.fixture(scope="session")
def repository():
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def reference_folder():
    """The folder of outputs of other implementations."""
    return REPOSITORY / "tests" / "reference"


@pytest.fixture(scope="session")
def shared():
    """The folder of real drawings and lists beside the checkout; the test is skipped where it is missing."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "impact").is_dir():
        pytest.skip(f"{folder} does not exist: real drawings and lists cannot be tested")
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium of the system, driven by Playwright; tests are skipped where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page is opened")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        pytest.skip("chromium is not installed: no page is opened")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
