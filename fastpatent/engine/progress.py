"""How a run speaks while it works: one live line on a terminal, a plain line now and then elsewhere."""

import time

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

PLAIN_PERIOD = 15.0  # seconds between lines where the output is no terminal


def clock(seconds):
    """Write a duration as m:ss or h:mm:ss."""
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class ProgressLine:
    """A line that counts to `total` with free text behind it.

    Args:
        title: what is being done.
        total: number of units.
        log: RunLog to speak through.
        start: units done before.
    """

    def __init__(self, title, total, log, start=0):
        self.title, self.total, self.log, self.start = title, total, log, start
        self._live = None
        self._begun = self._spoken = time.monotonic()

    def __enter__(self):
        if self.log.console.is_terminal and not self.log.quiet:
            columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[text]}")
            self._live = Progress(*columns, console=self.log.console, transient=True)
            self._live.start()
            self._task = self._live.add_task(self.title, total=self.total, completed=self.start, text="")
        return self

    def __exit__(self, *_):
        if self._live:
            self._live.stop()

    def time_left(self, done):
        """Return the seconds the rest takes at the pace so far."""
        return (time.monotonic() - self._begun) / max(done - self.start, 1) * (self.total - done)

    def update(self, done, text=""):
        """Show that `done` units are finished; `text` is added behind the count."""
        text = f"{done}/{self.total}  {text}  {clock(self.time_left(done))} left"
        if self._live:
            self._live.update(self._task, completed=done, text=text)
        elif time.monotonic() - self._spoken > PLAIN_PERIOD or done == self.total:
            self._spoken = time.monotonic()
            self.log.say(f"{self.title} {text}")
