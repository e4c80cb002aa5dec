"""Drawings that clients send: read within bounds, known by their content, decoded in processes that may die."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any, NamedTuple

from fastpatent.data.image import MOST_PIXELS, TIFF_STARTS, foreign_format
from fastpatent.errors import DataError
from fastpatent.search.figures import Figure, figure_values
from fastpatent.search.server.batching import Busy
from fastpatent.search.server.decoder import LENGTHS, pack
from fastpatent.text import short_line

MOST_UPLOAD_PIXELS = 40_000_000  # an A3 scan at 400 dpi has 31 million
WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
SECONDS = 20  # of decoding an image
MEMORY = 2**31  # bytes
MOST_WAITING = 32  # images


class Unreadable(DataError):
    """A file that is no drawing, with the status of HTTP that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Decoded(NamedTuple):
    """An image.

    Attributes:
        png: of mode L, upright, perhaps shrunk.
        width, height: pixels of it as it is compared.
        pages: how many its file had, of which it is the first.
    """

    png: bytes
    width: int
    height: int
    pages: int


class Decoder:
    """Decodes images in processes with bounds of memory and time; one that hangs or dies is replaced.

    Args:
        workers: how many processes.
        seconds: that an image may take.
        memory: bytes of address space of each process.
    """

    def __init__(self, workers: int = WORKERS, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._count, self._seconds, self._memory, self._waiting = workers, seconds, memory, 0
        self._idle: asyncio.Queue[Process | None] = asyncio.Queue()

    async def start(self) -> None:
        """Start the processes."""
        for _ in range(self._count):
            self._idle.put_nowait(await self._start())

    async def stop(self) -> None:
        """End the processes."""
        for _ in range(self._count):
            await _end(await self._idle.get())

    async def upload(self, data: bytes, name: str, edges: bool = False) -> Decoded:
        """Decode what a client has sent.

        Args:
            data: the file.
            name: of the file, for messages.
            edges: whether it is a photograph, of which a drawing is made first.

        Raises:
            Unreadable: it is no PNG, TIFF, JPEG or WebP file, or is damaged, or too large.
            Busy: too many wait.
        """
        name = short_line(name) or "the upload"
        if not is_known(data):
            raise Unreadable(415, f"{name}: {foreign_format(data) or 'it is no PNG, TIFF, JPEG or WebP file'}")
        return await self._decode(data, name=name, most=MOST_UPLOAD_PIXELS, path="", side=0, edges=edges, figure=[])

    async def file(self, path: str, side: int, figure: Figure | None = None) -> Decoded:
        """Decode a file of the index, or a figure of it, shrunk to `side` pixels; errors as of `upload`."""
        settings = {"side": side, "edges": False, "figure": figure_values(figure)}
        return await self._decode(b"", name=path, most=MOST_PIXELS, path=path, **settings)

    async def _decode(self, data: bytes, **header: Any) -> Decoded:
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            process = await self._idle.get()
        finally:
            self._waiting -= 1
        done = False
        try:
            if process is None or process.returncode is not None:
                process = await self._start()
            async with asyncio.timeout(self._seconds):
                answer, png = await _exchange(process, pack(header, data))
            done = True
        except TimeoutError:
            raise Unreadable(422, f"{header['name']}: took longer than {self._seconds:g} s to decode") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unreadable(422, f"{header['name']}: cannot be decoded: it ended the process that tried") from None
        finally:
            if not done and process:
                await asyncio.shield(_end(process))
            self._idle.put_nowait(process if done else None)
        if "error" in answer:
            raise Unreadable(413 if "bomb" in answer else 422, answer["error"])
        return Decoded(png, answer["width"], answer["height"], answer["pages"])

    async def _start(self) -> Process:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        words = sys.executable, "-P", "-m", "fastpatent.search.server.decoder", str(self._memory)
        # In a session of its own, so that Ctrl-C ends the server alone, which ends it.
        return await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
        )


def is_known(data: bytes) -> bool:
    """Return whether a file begins as a PNG, TIFF, JPEG or WebP file."""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", *TIFF_STARTS))


async def _end(process: Process | None) -> None:
    if process and process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            pass
        await process.wait()


async def _exchange(process: Process, request: bytes) -> tuple[dict[str, Any], bytes]:
    assert process.stdin and process.stdout
    process.stdin.write(request)
    await process.stdin.drain()
    text, data = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    return json.loads(await process.stdout.readexactly(text)), await process.stdout.readexactly(data)
