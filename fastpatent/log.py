"""One log: every message goes through `logging` to the terminal and, where a run has a folder, to its log.txt.

A message is text, or a table of rich. Information goes to standard output, warnings and errors go to standard error.
Of several processes the first reports; errors are reported by the process that has them.

Messages have names in them that others chose. Here, where all messages pass, whatever could act on a terminal is escaped,
and every line of a message but its first begins with its prefix or an indent: no name can begin a line of the log.
"""

import functools
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from fastpatent import distributed
from fastpatent.files import ESCAPED, make_folder, regular
from fastpatent.text import escaped

FILE_WIDTH = 120  # columns of a table where there is no terminal
PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}
INDENT = "  "
PACKAGE = logging.getLogger("fastpatent")
PACKAGE.addHandler(logging.NullHandler())  # where no log is started, Python would print warnings
Handler = TypeVar("Handler", bound=logging.Handler)


def start(folder: str | os.PathLike[str] | None = None) -> None:
    """Report to the terminal from now on, and to folder/log.txt too where a folder is given.

    What was reported in this run before its folder was known is written to the file first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
    PACKAGE.setLevel(logging.INFO)
    PACKAGE.propagate = False  # open_clip gives the root logger a handler, which would print everything once more
    if not _handlers(_Terminal):
        PACKAGE.addHandler(_Terminal())
    for handler in _handlers(_File):  # of an earlier run in this process
        _close(handler)
    if folder is None or not is_first():
        return
    file = _File(Path(folder))
    PACKAGE.addHandler(file)
    for record in early():
        if file in PACKAGE.handlers:  # a full disk removes it
            file.handle(record)


def stop() -> None:
    """Close log.txt and stop reporting."""
    PACKAGE.propagate = True
    for handler in [*_handlers(_File), *_handlers(_Terminal)]:
        _close(handler)


def early() -> list[logging.LogRecord]:
    """Return what was reported in this run, by the process that reports, before its folder was known; and forget it."""
    found = [record for handler in _handlers(_Terminal) for record in handler.early]
    for handler in _handlers(_Terminal):
        handler.early = []
    return found


def remember(records: list[logging.LogRecord]) -> None:
    """Have log.txt begin with what another process has reported for this run."""
    for handler in _handlers(_Terminal):
        handler.early = [*records, *handler.early]


class PlainConsole(Console):
    """A console that shows text as it is: brackets and :100: in a path are neither markup nor emoji.

    Text is escaped, line ends included, also in the cells of tables. A `rich.text.Text` is not: it is for text of our own.
    A broken pipe is an error like any other, see `fastpatent.commands.run`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # rich calls it for all text that it shows or measures
        return super().render_str(escaped(text), **options)

    def on_broken_pipe(self) -> None:
        raise  # called by rich where it handles the error


def terminal(errors: bool = False) -> Console:
    """Return the console of standard output, or of standard error; always the same one, as progress lines need it."""
    console = _console(errors)
    console._width = None if console.is_terminal else FILE_WIDTH
    return console


@functools.cache
def _console(errors: bool) -> Console:
    return PlainConsole(stderr=errors)


def _console_of(record: logging.LogRecord) -> Console:
    """Return standard error for what is wrong, unless it is the terminal too: a progress line knows one console only."""
    output, errors = terminal(), terminal(errors=True)
    return errors if record.levelno >= logging.WARNING and not (output.is_terminal and errors.is_terminal) else output


def is_first() -> bool:
    """Return whether this is the process that reports; torchrun's processes know it before they are connected."""
    waiting = distributed.world_size() == 1 and distributed.is_launched()
    return distributed.is_first() and not (waiting and os.environ.get("RANK", "0") != "0")


class _Terminal(logging.Handler):
    """Prints records; `early` holds those of this run that no file has yet."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if is_first() and not _handlers(_File):
            self.early.append(record)
        if record.levelno >= logging.ERROR or is_first():
            _print(_console_of(record), record)


class _File(logging.Handler):
    """Appends records to log.txt in a folder, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self.file = open(make_folder(folder) / "log.txt", "a", encoding="utf-8", errors=ESCAPED, opener=regular)
        super().__init__()  # last, because logging closes what it knows at the end of the program
        self.console = PlainConsole(file=self.file, width=FILE_WIDTH, no_color=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _print(self.console, record)
            self.file.flush()
        except OSError as error:  # a full disk ends the file, not the run
            PACKAGE.removeHandler(self)
            PACKAGE.warning(f"{self.file.name}: {error.strerror}; what follows is on the terminal only")

    def close(self) -> None:
        self.file.close()
        super().close()


def _handlers(kind: type[Handler]) -> list[Handler]:
    return [handler for handler in PACKAGE.handlers if isinstance(handler, kind)]


def _close(handler: logging.Handler) -> None:
    PACKAGE.removeHandler(handler)
    handler.close()


def _print(console: Console, record: logging.LogRecord) -> None:
    if not isinstance(record.msg, str):
        console.print(record.msg)  # a table is fitted to the width
        return
    prefix = PREFIXES.get(record.levelno, "")
    lines = map(escaped, record.getMessage().split("\n"))
    console.print(Text(prefix + f"\n{prefix or INDENT}".join(lines)), soft_wrap=True)
