"""The searcher: queries are read together and answered as alone, and new generations are opened while others search."""

import asyncio
import io
import shutil
import threading
from contextlib import asynccontextmanager

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands import main
from fastpatent.errors import DataError
from fastpatent.search.index import open_index
from fastpatent.search.milvus import Place
from fastpatent.search.query import Query, View, search, views_of
from fastpatent.search.server import searcher as module
from fastpatent.search.server.metrics import Metrics
from fastpatent.search.server.question import Asked, Question
from fastpatent.search.server.searcher import Searcher, Unavailable
from tests.search.server.conftest import in_a_loop
from tests.search.test_build import PIXELS
from tests.small_index import write_index
from tests.small_sets import strokes, write_drawing

IDS = [f"{number:032x}" for number in range(12)]


def png(number):
    file = io.BytesIO()
    Image.fromarray(strokes(number)).save(file, "PNG")
    return file.getvalue()


@asynccontextmanager
async def open_searcher(folder, uploads=None):
    searcher = Searcher(str(folder), (uploads or {}).get, Metrics())
    await searcher.start()
    try:
        yield searcher
    finally:
        await searcher.stop()


def by_upload(identity, **fields):
    return Question((Asked("upload", identity),), **fields)


def test_queries_are_read_together_and_answered_as_alone(index_folder, monkeypatch):
    uploads = {identity: png(100 + number) for number, identity in enumerate(IDS)}
    questions = [by_upload(identity, k=number + 1, where="date>=2016" * (number % 2)) for number, identity in enumerate(IDS)]
    questions[3] = Question((Asked("patent", "p1"), Asked("upload", IDS[3], (0, 0, 10, 10), True)))
    questions[5] = by_upload(IDS[5], minus=(Asked("patent", "p4"),), expand=2)
    questions[7] = Question((Asked("upload", IDS[7], (0, 0, 999, 10)),))  # not within the image
    counts, go = [], threading.Event()
    real = module.embed_queries

    def embed(index, queries, networks):
        counts.append(len(queries))
        go.wait(30)
        return real(index, queries, networks)

    async def ask():
        async with open_searcher(index_folder, uploads) as searcher:
            await asyncio.to_thread(searcher.networks)  # its own first call
            monkeypatch.setattr(module, "embed_queries", embed)
            tasks = [asyncio.create_task(searcher.search(question)) for question in questions[:1]]
            while not counts:
                await asyncio.sleep(0.01)
            tasks += [asyncio.create_task(searcher.search(question)) for question in questions[1:]]
            while searcher._batcher.waiting < len(questions) - 1:
                await asyncio.sleep(0.01)
            go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = in_a_loop(ask())
    assert counts[:2] == [1, 11]
    assert isinstance(found[7], DataError) and "the crop (0, 0, 999, 10) is not within" in str(found[7])
    index = open_index(index_folder)
    for number, question in enumerate(questions):
        if number != 7:
            alone = search(index, question.query(index, uploads.get), question.where, question.k)
            assert found[number][1].answers == alone.answers and len(alone.answers)


@pytest.fixture
def growing(index_folder, tmp_path, monkeypatch):
    """A copy of the index, whose next generation is looked for often."""
    monkeypatch.setattr(module, "LOOKS", 0.02)
    shutil.copytree(index_folder, tmp_path / "I")
    return tmp_path / "I"


async def until(condition):
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_new_generation_is_opened_and_a_damaged_one_is_not(growing, index_folder, tmp_path):
    async def run():
        async with open_searcher(growing, {IDS[0]: png(40)}) as searcher:
            old, before = await searcher.search(by_upload(IDS[0], k=50))
            write_drawing(tmp_path / "more/p9/1.png", 40)
            done = await asyncio.to_thread(main, ["index", "add", str(growing), str(tmp_path / "more")])
            assert done == 0
            await until(lambda: searcher.index.generation == 2)
            new, after = await searcher.search(by_upload(IDS[0], k=50))
            assert (new.generation, len(before.answers), len(after.answers)) == (2, 6, 7)
            assert after.answers[0].patent == "p9" and after.answers[0].cosine == pytest.approx(1, abs=1e-5)
            again = await asyncio.to_thread(search, old, Query(views_of(old, "p1")))  # who has the old one goes on
            assert len(again.answers) == 5
            manifest = (growing / "manifest.json").read_text()
            (growing / "manifest.json").write_text("{")
            await until(lambda: "is damaged" in searcher.fault)
            assert len((await searcher.search(by_upload(IDS[0], k=50)))[1].answers) == 7
            (growing / "manifest.json").write_text(manifest)
            await until(lambda: not searcher.fault)

    in_a_loop(run())


def test_an_index_of_another_network_takes_its_place(growing, tmp_path, index_folder):
    other = tmp_path / "other"
    words = [str(index_folder.parent / "d"), "--out", str(other), *PIXELS, "DESCRIPTOR.NAME", "hog"]
    assert main(["index", "build", *words]) == 0
    assert open_index(other).manifest["network"]["digest"] != open_index(growing).manifest["network"]["digest"]

    async def run():
        async with open_searcher(growing, {IDS[0]: png(7)}) as searcher:
            await searcher.search(by_upload(IDS[0]))
            shutil.rmtree(growing)
            other.rename(growing)
            await until(lambda: searcher.index.manifest["network"] == open_index(growing).manifest["network"])
            index, found = await searcher.search(by_upload(IDS[0]))
            assert found.answers == search(index, Query([View(Image.fromarray(strokes(7)))])).answers

    in_a_loop(run())


def test_a_generation_whose_network_cannot_be_loaded_is_a_fault_until_the_next(growing, index_folder, tmp_path):
    write_index(tmp_path / "other", np.eye(4), ["a", "b", "c", "d"])  # of a network that there is not

    async def run():
        async with open_searcher(growing) as searcher:
            growing.rename(tmp_path / "before")
            (tmp_path / "other").rename(growing)
            await until(lambda: "the network of the index cannot be loaded" in searcher.fault)
            growing.rename(tmp_path / "other")
            (tmp_path / "before").rename(growing)
            await until(lambda: not searcher.fault)
            assert len((await searcher.search(Question((Asked("patent", "p1"),))))[1].answers) == 5

    in_a_loop(run())


def test_what_milvus_has_no_more_is_searched_in_the_present_generation(tmp_path, milvus, monkeypatch):
    monkeypatch.setattr(module, "LOOKS", 600)

    def renew(names):
        return write_index(tmp_path / "i", np.eye(4)[: len(names)], names, place=Place(milvus))

    async def run():
        renew(["a", "b", "c", "d"])
        async with open_searcher(tmp_path / "i") as searcher:
            for names in (["a", "b", "c"], ["a", "b"]):
                await asyncio.to_thread(renew, names)
            index, found = await searcher.search(Question((Asked("patent", "a"),)))
            assert index.generation == 3 and [answer.patent for answer in found.answers] == ["b"]

    in_a_loop(run())


def test_without_its_network_drawings_of_the_index_are_searched(tmp_path):
    index = write_index(tmp_path / "i", np.eye(4), ["a", "b", "c", "d"])  # of a network that there is not

    async def run():
        async with open_searcher(tmp_path / "i", {IDS[0]: png(7)}) as searcher:
            await until(lambda: searcher.network == "failed")
            assert (await searcher.search(Question((Asked("patent", "b"),))))[1].answers
            digest = index.name(2)
            found = (await searcher.search(Question((Asked("drawing", digest),))))[1]
            assert found.asked.own == ["c"] and found.answers
            with pytest.raises(Unavailable, match="the network of the index cannot be loaded: MODEL.WEIGHTS is empty"):
                await searcher.search(by_upload(IDS[0]))

    in_a_loop(run())
