"""The open index and its network, for all requests: queries that wait are read together, new generations are opened."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from PIL import Image

from fastpatent.device import set_up_device
from fastpatent.errors import FastPatentError
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.progress import reported_to
from fastpatent.search.filters import Filter, apply_filter
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import read_manifest
from fastpatent.search.milvus import Lacking
from fastpatent.search.network import pipeline_of, stored_config
from fastpatent.search.query import (
    Asked,
    Networks,
    Query,
    Result,
    View,
    answer_query,
    check_query,
    embed_queries,
    split_query,
)
from fastpatent.search.server.batching import Batcher
from fastpatent.search.server.metrics import Metrics
from fastpatent.search.server.question import Question, Uploads

MOST_TOGETHER = 32  # drawings and texts that the network reads in one call; more take memory and are hardly faster
MOST_WAITING = 256  # queries
LOOKS = 2.0  # seconds between looks for a new generation
# Settings that the index does not decide: extraction in this process, as the images are in memory.
SETTINGS = ("DATALOADER.NUM_WORKERS", "0")
logger = logging.getLogger(__name__)


def unreported() -> AbstractContextManager[None]:
    """Return a context without progress lines: a terminal can show those of one thread, and a log would be full of them."""
    return reported_to(lambda done, total: None)


class Unavailable(Exception):
    """What a request needs is not there, for a reason in words."""


class _Job(NamedTuple):
    index: Index
    networks: Networks
    query: Query
    chosen: Filter
    k: int


class _Network:
    """A network that is loaded in a thread."""

    def __init__(self, index: Index, overrides: Sequence[str]) -> None:
        self.of, self.error, self._pipeline = index.manifest["network"], "", None
        self.thread = threading.Thread(target=self._load, args=(index, overrides), name="network", daemon=True)
        self.thread.start()

    @property
    def state(self) -> str:
        return "loading" if self.thread.is_alive() else "failed" if self.error else "ready"

    def wait(self) -> Pipeline:
        """Return it when it is loaded; Unavailable where it cannot be."""
        self.thread.join()
        if self._pipeline is None:
            raise Unavailable(f"the network of the index cannot be loaded: {self.error}")
        return self._pipeline

    def _load(self, index: Index, overrides: Sequence[str]) -> None:
        try:
            pipeline = pipeline_of(index, overrides)
            blank = Query([View(Image.new("L", (64, 64), 255))], ["a"] if index.manifest["network"]["texts"] else [])
            with unreported():
                embed_queries(index, [blank], lambda: pipeline)  # the first call takes longer than others
            self._pipeline = pipeline
            logger.info("the network is loaded")
        except FastPatentError as error:
            self.error = str(error)
        except Exception as error:  # the index can be looked at all the same
            self.error = f"{type(error).__name__}: {error}"
            logger.exception("this is a bug")
        if self.error:
            logger.error(f"the network cannot be loaded, only drawings of the index can be asked by: {self.error}")


class Searcher:
    """Answers questions to the current generation of an index.

    Args:
        folder: of the index.
        uploads: see `Question.query`.
        metrics: that count queries.
        overrides: KEY VALUE pairs for the network.

    Attributes:
        fault: why the index that is now in the folder cannot be opened; "" where it can.

    Raises:
        DataError, ConfigError: as `open_index` and `stored_config`.
    """

    def __init__(self, folder: str, uploads: Uploads, metrics: Metrics, overrides: Sequence[str] = ()) -> None:
        self.folder, self.uploads, self.metrics, self.fault = folder, uploads, metrics, ""
        self.overrides = [*SETTINGS, *overrides]
        self._current: tuple[Index, _Network | None] = self._open(), None  # replaced together
        self._batcher: Batcher[_Job, Result] | None = None
        self._opening = threading.Lock()

    async def start(self) -> None:
        """Load the network in the background, begin to answer and to look for new generations."""
        self._current = self.index, _Network(self.index, self.overrides)
        self._batcher = batcher = Batcher(_answer, _cost, MOST_TOGETHER, MOST_WAITING, self.metrics.batches.observe)
        self.metrics.waiting.set_function(lambda: batcher.waiting)
        self._describe()
        self._looks = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """End; queries that wait are cancelled."""
        self._looks.cancel()
        network = self._current[1]
        assert network and self._batcher, "`start` comes first"
        await asyncio.to_thread(self._batcher.close)
        await asyncio.to_thread(network.thread.join)  # a thread that still loads could end the interpreter in a crash

    @property
    def index(self) -> Index:
        """The generation that is searched; a request that uses it more than once takes it once."""
        return self._current[0]

    @property
    def network(self) -> str:
        """What the network is: "loading", "ready" or "failed"."""
        return self._current[1].state if self._current[1] else "loading"

    @property
    def network_fault(self) -> str:
        """Why the network cannot be loaded; "" where it can, or may still be."""
        return self._current[1].error if self._current[1] else ""

    def networks(self) -> Pipeline:
        """Return the network, in a thread: waits until it is loaded; Unavailable where it cannot be."""
        assert self._current[1], "`start` comes first"
        return self._current[1].wait()

    async def search(self, question: Question) -> tuple[Index, Result]:
        """Return what is found, and the generation of the index that it is of.

        Raises:
            DataError: the question is wrong or cannot be answered.
            Unavailable: the network cannot be loaded.
            Busy: too many queries wait.
        """
        try:
            return await self._search(question)
        except Lacking:  # Milvus has the vectors of the last two generations
            await asyncio.to_thread(self._reopen)
            return await self._search(question)

    async def _search(self, question: Question) -> tuple[Index, Result]:
        index, network = self._current
        assert network and self._batcher, "`start` comes first"
        query, chosen = await asyncio.to_thread(self._read, index, question)
        return index, await self._batcher.submit(_Job(index, network.wait, query, chosen, question.k))

    async def passed(self, where: str) -> tuple[Index, Filter]:
        """Return which drawings pass a filter, and of which generation of the index; DataError where it is none."""
        index = self.index
        return index, await asyncio.to_thread(apply_filter, index, where)

    def _read(self, index: Index, question: Question) -> tuple[Query, Filter]:
        chosen = apply_filter(index, question.where)
        query = question.query(index, self.uploads)
        check_query(index, query, question.k)
        return split_query(index, query), chosen

    def _open(self) -> Index:
        cfg = stored_config(self.folder, read_manifest(self.folder)["network"], self.overrides)
        index = open_index(self.folder, set_up_device(cfg).device)
        index.row_of("0" * 32)  # sorts the digests now
        return index

    def _describe(self) -> None:
        self.metrics.generation.set(self.index.generation)
        self.metrics.drawings.set(len(self.index))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOKS)
            try:
                await asyncio.to_thread(self._reopen)
                self.fault = ""
            except (FastPatentError, Unavailable, OSError) as error:
                if self.fault != str(error):
                    logger.warning(f"{error}; generation {self.index.generation} is searched on")
                self.fault = str(error)

    def _reopen(self) -> None:
        """Take a new generation in place of the old one, which searches that run go on with; one thread at a time."""
        with self._opening:
            if read_manifest(self.folder) == self.index.manifest:
                return
            index, network = self._open(), self._current[1]
            if network and network.of["digest"] != index.manifest["network"]["digest"]:
                network = _Network(index, self.overrides)
                network.wait()
            self._current = index, network
            self._describe()
            logger.info(f"{self.folder}: generation {index.generation}, {len(index):,} drawings")


def _cost(job: _Job) -> int:
    """Return how many images and texts the network has to read for a query."""
    views = [*job.query.views, *job.query.minus]
    return len(job.query.texts) + sum(not isinstance(view.drawing, int) or bool(view.crop) or view.mirror for view in views)


def _answer(jobs: list[_Job]) -> Iterator[Result | Exception]:
    """Yield what is found for each query; those of one generation are read by the network together."""
    asked: dict[int, Asked | Exception] = {}
    for index in {id(job.index): job.index for job in jobs}.values():
        places = [place for place, job in enumerate(jobs) if job.index is index]
        asked |= zip(places, _embed([jobs[place] for place in places]))
    for place, job in enumerate(jobs):
        found = asked[place]
        try:
            yield found if isinstance(found, Exception) else answer_query(job.index, job.query, found, job.chosen, job.k)
        except FastPatentError as error:
            yield error


def _embed(jobs: list[_Job]) -> Sequence[Asked | Exception]:
    """Return the vectors of queries to one index; of one that cannot be read the error, and others do not suffer."""
    try:
        with unreported():
            return embed_queries(jobs[0].index, [job.query for job in jobs], jobs[0].networks)
    except (FastPatentError, Unavailable) as error:
        return [error] if len(jobs) == 1 else [_embed([job])[0] for job in jobs]
