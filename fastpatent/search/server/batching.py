"""One thread that takes everything that waits for it at once, so that a network reads many queries in one call."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Busy(Exception):
    """As many items wait as may."""

    def __init__(self) -> None:
        super().__init__("too many wait for an answer; try again in a moment")


class Batcher(Generic[Item, Result]):
    """Runs a function of many items in a thread of its own; items that come meanwhile wait and are then taken together.

    Args:
        run: function of a list of items that yields the result of each, or the exception that it is refused with, in order.
        size: function of an item that returns how much it counts.
        most: of the sizes of what is taken together, where it is more than one item.
        waiting: how many items may wait.
        seen: called with the number of items that are taken, each time.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Iterable[Result | Exception]],
        size: Callable[[Item], int],
        most: int,
        waiting: int,
        seen: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._run, self._size, self._most, self._most_waiting, self._seen = run, size, most, waiting, seen
        self._items: deque[tuple[Item, Future[Result]]] = deque()
        self._changed, self._ends = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="queries", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._items)

    async def submit(self, item: Item) -> Result:
        """Return the result of an item.

        Raises:
            Busy: too many items wait.
            Exception: what the item is refused with.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._ends or len(self._items) >= self._most_waiting:
                raise Busy
            self._items.append((item, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)  # a client that leaves cancels it

    def close(self) -> None:
        """End the thread when it has done what it is at; what waits is cancelled."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join()
        for _, future in self._items:
            future.cancel()

    def _work(self) -> None:
        while taken := self._take():
            self._seen(len(taken))
            items, futures = [item for item, _ in taken], [future for _, future in taken]
            try:
                for future, result in zip(futures, self._run(items), strict=True):
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
            except Exception as error:  # a bug, which must not end the thread
                for future in futures:
                    if not future.done():
                        future.set_exception(error)

    def _take(self) -> list[tuple[Item, Future[Result]]]:
        """Wait for items; return those that are run now, none at the end."""
        taken, size = [], 0
        with self._changed:
            while not taken:
                self._changed.wait_for(lambda: self._items or self._ends)
                if self._ends:
                    return []
                while self._items and (not taken or size + self._size(self._items[0][0]) <= self._most):
                    item, future = self._items.popleft()
                    if future.set_running_or_notify_cancel():
                        taken.append((item, future))
                        size += self._size(item)
        return taken
