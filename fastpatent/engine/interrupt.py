"""Ctrl-C and a scheduler's SIGTERM end a run between two steps instead of in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self


class StopSignal:
    """While entered, the first SIGINT or SIGTERM sets `requested`; a second one interrupts at once.

    Outside the main thread, where Python cannot handle signals, nothing is intercepted.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, *_: Any) -> None:
        if self.requested or self._at_once:
            raise KeyboardInterrupt
        self.requested = True

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block even the first signal interrupts at once: for work that leaves nothing half done."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False
