"""Uploads: known by their content, decoded in bounds, in processes that may hang or die."""

import asyncio
import io
import os
import signal

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.image import read_drawing
from fastpatent.search.server.uploads import Decoder, Unreadable
from tests.search.server.conftest import in_a_loop
from tests.small_sets import write_drawing


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "a.png"
    write_drawing(path, 3)
    return Image.open(path).convert("L")


def decode(*files, **options):
    """[Decoded or the error] of some files, by one Decoder."""

    async def run():
        decoder = Decoder(1, **options)
        await decoder.start()
        try:
            return [await asyncio.gather(decoder.upload(data, "a.png"), return_exceptions=True) for data in files]
        finally:
            await decoder.stop()

    return [found for (found,) in in_a_loop(run())]


def test_formats_turned_and_of_several_pages(drawn, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    files = [
        encoded(drawn, "PNG"),
        encoded(drawn, "TIFF", save_all=True, append_images=[drawn, drawn]),
        encoded(drawn, "JPEG", exif=exif),
        encoded(drawn, "WEBP", lossless=True),
        encoded(drawn, "PNG", save_all=True, append_images=[Image.new("L", drawn.size)]),
    ]
    for data, pages, found in zip(files, (1, 3, 1, 1, 2), decode(*files)):
        (tmp_path / "file").write_bytes(data)
        expected = read_drawing(tmp_path / "file")
        image = Image.open(io.BytesIO(found.png))
        assert image.mode == "L" and image.size == (found.width, found.height) and found.pages == pages
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_what_is_no_drawing_is_a_sentence_and_a_status(drawn):
    png, bomb = encoded(drawn, "PNG"), encoded(Image.new("1", (7000, 7000)), "PNG")
    pdf = b"%PDF-1.4\n1 0 obj<</Type /Pages>>" + 2 * b"<< /Type/Page /Parent 1 0 R>>"
    files = {
        "of 2 pages, not an image; `pdfimages": (415, pdf),
        "a.png: it is no PNG, TIFF, JPEG or WebP file": (415, b"plain text"),
        "a.png: it is no PNG, TIFF, JPEG or WebP": (415, encoded(drawn, "GIF")),
        "the file is empty": (415, b""),
        "HTML or XML page": (415, b"<svg/>"),
        "a.png: cannot be read as a drawing": (422, png[:-40]),
        "Truncated File Read": (422, png[:20]),
        "a.png: has more than 40,000,000 pixels": (413, bomb),
    }
    answers = decode(*(data for _, data in files.values()), png)
    for (message, (status, _)), error in zip(files.items(), answers):
        assert isinstance(error, Unreadable) and error.status == status and message in str(error), (message, error)
    assert answers[-1].width == drawn.width  # the process goes on


def test_a_process_that_hangs_or_dies_is_replaced(drawn):
    png = encoded(drawn, "PNG")

    async def run():
        decoder = Decoder(1, seconds=3)
        await decoder.start()
        try:
            await decoder.upload(png, "a")
            process = decoder._idle.get_nowait()
            decoder._idle.put_nowait(process)
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(Unreadable, match="a: took longer than 3 s to decode"):
                await decoder.upload(png, "a")
            assert process.returncode == -signal.SIGKILL
            decoder._seconds = 60
            assert (await decoder.upload(png, "a")).width == drawn.width
            process = decoder._idle.get_nowait()
            decoder._idle.put_nowait(process)
            process.send_signal(signal.SIGSTOP)
            task = asyncio.create_task(decoder.upload(png, "a"))
            await asyncio.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(Unreadable, match="it ended the process that tried"):
                await task
            assert (await decoder.upload(png, "a")).width == drawn.width
        finally:
            await decoder.stop()

    in_a_loop(run())


def test_memory_is_bounded(drawn):
    large = encoded(Image.new("RGB", (6000, 6000)), "PNG")
    refused, good = decode(large, encoded(drawn, "PNG"), memory=2**28)
    assert isinstance(refused, Unreadable) and refused.status == 413 and "too much memory" in str(refused)
    assert good.width == drawn.width
