"""Pages opened in a browser."""

import pytest

from tests.browsing import watched_pages


@pytest.fixture
def open_page(browser):
    """Function (path, width=1280, **options of a context) that opens a page file and returns Playwright's page.

    At the end no page may have written an error to the console or asked for anything but its own file, and none may be
    wider than the window.
    """
    with watched_pages(browser) as open_address:
        yield lambda path, width=1280, **options: open_address(path.as_uri(), ("file:", "data:"), width, **options)
