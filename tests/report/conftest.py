"""Pages opened in a browser."""

import pytest


@pytest.fixture
def open_page(browser):
    """Function (path, width=1280, **options of a context) that opens a page file and returns Playwright's page.

    At the end no page may have written an error to the console or asked for anything but its own file, and none may be
    wider than the window.
    """
    opened, wrong = [], []

    def open_file(path, width=1280, **options):
        size = {"width": width, "height": 900}
        page = browser.new_context(viewport=size, reduced_motion="reduce", **options).new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url[:5] not in ("file:", "data:") else None)
        page.goto(path.as_uri())
        opened.append((page, width))
        return page

    yield open_file
    for page, width in opened:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.context.close()
    assert not wrong
