"""Progress where the output is a file, and on a terminal."""

import io
import logging

from rich.console import Console

from fastpatent import log, progress
from fastpatent.progress import ProgressLine, clock, counted, reported_to


def test_durations():
    for seconds, written in ((0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (7325, "2:02:05")):
        assert clock(seconds) == written


def test_without_a_terminal_a_line_is_logged_now_and_then_and_at_the_end(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with ProgressLine("reading [a]", 50, start=10) as line:
        for done in range(11, 51):
            now[0] += 1.0
            line.update(done, "fast")
    period = int(progress.PLAIN_PERIOD) + 1
    shown = [*range(10 + period, 50, period), 50]
    assert caplog.messages == [f"reading [a] {done}/50  fast  {clock(50 - done)} left" for done in shown]


def test_results_are_counted(caplog):
    caplog.set_level(logging.INFO)
    assert list(counted("adding", iter("abc"), 3)) == ["a", "b", "c"]
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("adding 3/3")


def test_on_a_terminal_one_line_is_redrawn_and_nothing_is_logged(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    screen = io.StringIO()
    monkeypatch.setattr(log, "terminal", lambda: Console(file=screen, force_terminal=True, width=100))
    with ProgressLine("reading [a]", 2) as line:
        line.update(2, "[b]")
        line._live.refresh()
    assert "reading [a]" in screen.getvalue() and "2/2  [b]" in screen.getvalue() and not caplog.messages


def test_lines_of_a_block_are_reported_to_a_function(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    screen, seen = io.StringIO(), []
    monkeypatch.setattr(log, "terminal", lambda: Console(file=screen, force_terminal=True, width=100))
    with reported_to(lambda done, total: seen.append((done, total))):
        assert list(counted("adding", iter("abc"), 3)) == ["a", "b", "c"]
    assert (seen, screen.getvalue(), caplog.messages) == ([(1, 3), (2, 3), (3, 3)], "", [])
    assert list(counted("adding", iter("a"), 1)) == ["a"] and screen.getvalue() and len(seen) == 3
