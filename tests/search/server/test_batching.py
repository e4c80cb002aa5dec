"""Queries that wait are taken together, by one thread, in their order; errors reach who asked."""

import asyncio
import threading

import pytest

from fastpatent.search.server.batching import Batcher, Busy
from tests.search.server.conftest import in_a_loop


class Held:
    """Doubles numbers, but waits before the first call ends until `go` is set; even items are refused where `refuses`."""

    def __init__(self, refuses=False):
        self.calls, self.begun, self.go, self.refuses = [], threading.Event(), threading.Event(), refuses

    def __call__(self, items):
        self.calls.append(items)
        self.begun.set()
        self.go.wait(30)
        for item in items:
            yield ValueError(item) if self.refuses and item % 2 == 0 else 2 * item


async def fill(batcher, run, items):
    """Submit the first item, and the others when it runs; return their results or errors when all of them wait."""
    tasks = [asyncio.create_task(batcher.submit(items[0]))]
    await asyncio.to_thread(run.begun.wait, 30)
    tasks += [asyncio.create_task(batcher.submit(item)) for item in items[1:]]
    await asyncio.sleep(0)
    return tasks


def test_what_waits_is_taken_together_up_to_a_size():
    async def main():
        run, seen = Held(), []
        batcher = Batcher(run, size=lambda item: item, most=10, waiting=9, seen=seen.append)
        tasks = await fill(batcher, run, [1, 4, 4, 4, 50, 0, 2])
        assert batcher.waiting == 6
        run.go.set()
        assert await asyncio.gather(*tasks) == [2, 8, 8, 8, 100, 0, 4]
        assert run.calls == [[1], [4, 4], [4], [50], [0, 2]] and seen == [1, 2, 1, 1, 2]
        batcher.close()

    in_a_loop(main())


def test_refused_left_and_too_many():
    async def main():
        run = Held(refuses=True)
        batcher = Batcher(run, size=lambda item: 1, most=10, waiting=3)
        tasks = await fill(batcher, run, [1, 2, 3, 5])
        with pytest.raises(Busy):
            await batcher.submit(7)
        tasks[2].cancel()
        await asyncio.sleep(0)
        run.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[0] == 2 and isinstance(found[1], ValueError) and found[3] == 10
        assert isinstance(found[2], asyncio.CancelledError) and run.calls == [[1], [2, 5]]
        batcher.close()

    in_a_loop(main())


def test_a_bug_reaches_who_asked_and_the_thread_goes_on():
    def run(items):
        yield from (1 // item for item in items)

    async def main():
        batcher = Batcher(run, size=lambda item: 1, most=10, waiting=10)
        with pytest.raises(ZeroDivisionError):
            await batcher.submit(0)
        assert await batcher.submit(1) == 1
        batcher.close()
        with pytest.raises(Busy):
            await batcher.submit(1)

    in_a_loop(main())
