"""Pages in a browser that are watched: what they write to the console, ask for, and how wide they are."""

from contextlib import contextmanager


@contextmanager
def watched_pages(browser):
    """Function (address, own, width=1280, allowed=(), **options of a context) that opens a page; `own`: what it may ask for.

    At the end no page may have written an error to the console, but those that begin with one of `allowed`, or asked for
    an address that does not begin with one of `own`, and none may be wider than the window.
    """
    opened, wrong = [], []

    def open_address(address, own, width=1280, allowed=(), **options):
        size = {"width": width, "height": 900}
        page = browser.new_context(viewport=size, reduced_motion="reduce", **options).new_page()

        def hear(message):
            if message.type in ("error", "warning") and not message.text.startswith(tuple(allowed)):
                wrong.append(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
        page.set_default_timeout(20_000)
        page.goto(address)
        opened.append((page, width))
        return page

    yield open_address
    for page, width in opened:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.context.close()
    assert not wrong
