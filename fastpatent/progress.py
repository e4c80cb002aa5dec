"""Progress of a run: one live line on a terminal, a plain line now and then elsewhere."""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self, TypeVar

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fastpatent import log
from fastpatent.text import escaped

PLAIN_PERIOD = 15.0  # seconds between lines where the output is no terminal
Result = TypeVar("Result")
Report = Callable[[int, int], object]  # of (units done, units in all)
_report: ContextVar[Report | None] = ContextVar("report", default=None)
logger = logging.getLogger(__name__)


@contextmanager
def reported_to(report: Report) -> Iterator[None]:
    """Have every ProgressLine of the block call `report(done, total)` in place of showing and logging anything."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


def counted(title: str, results: Iterable[Result], number: int) -> Generator[Result, None, None]:
    """Yield `number` results and count them on a ProgressLine."""
    with ProgressLine(title, number) as line:
        for done, result in enumerate(results, 1):
            line.update(done)
            yield result


def clock(seconds: float) -> str:
    """Write a duration as m:ss or h:mm:ss."""
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class ProgressLine:
    """A line that counts to `total` with free text behind it.

    Args:
        title: what is being done.
        total: number of units.
        start: units done before.
    """

    def __init__(self, title: str, total: int, start: int = 0) -> None:
        self.title, self.total, self.start = escaped(title), total, start
        self._live: Progress | None = None
        self._begun = self._reported = time.monotonic()

    def __enter__(self) -> Self:
        console = log.terminal()
        if console.is_terminal and log.is_first() and not _report.get():
            title, text = (TextColumn(part, markup=False) for part in ("{task.description}", "{task.fields[text]}"))
            self._live = Progress(SpinnerColumn(), title, BarColumn(24), text, console=console, transient=True)
            self._live.start()
            self._task = self._live.add_task(self.title, total=self.total, completed=self.start, text="")
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self._live.stop()

    def time_left(self, done: int) -> float:
        """Return the seconds the rest takes at the pace so far."""
        return (time.monotonic() - self._begun) / max(done - self.start, 1) * (self.total - done)

    def update(self, done: int, text: str = "") -> None:
        """Show that `done` units are finished; `text` is added behind the count."""
        if report := _report.get():
            report(done, self.total)
            return
        text = f"{done}/{self.total}  {escaped(text)}  {clock(self.time_left(done))} left"
        if self._live:
            self._live.update(self._task, completed=done, text=text)
        elif time.monotonic() - self._reported > PLAIN_PERIOD or done == self.total:
            self._reported = time.monotonic()
            logger.info(f"{self.title} {text}")
