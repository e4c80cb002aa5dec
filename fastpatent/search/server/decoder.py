"""A process that decodes images for the server, in bounds: `python -m fastpatent.search.server.decoder BYTES`.

It reads requests from its standard input and writes answers to its standard output, each as the lengths of a JSON object and
of some bytes, and these. It ends with the server, whose end closes its input.
"""

import io
import json
import resource
import struct
import sys
from typing import Any, BinaryIO

from PIL import Image

from fastpatent.data.image import TURNS, bounded_image, count_pages, open_drawing, orientation, read_bytes
from fastpatent.errors import DataError
from fastpatent.report.picture import shrink
from fastpatent.search.figures import figure_of, read_figure

LENGTHS = struct.Struct(">II")
LONGEST_PHOTOGRAPH = 2000  # pixels of the longer side of which edges are found


def pack(header: dict[str, Any], data: bytes = b"") -> bytes:
    """Return a request or an answer as it is sent."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(data)) + text + data


def main() -> None:
    """Answer until the input ends; the command line has the bytes of address space that this may take."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while request := _read(source):
        sink.write(_answer(*request))
        sink.flush()


def _read(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    lengths = source.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    text, data = LENGTHS.unpack(lengths)
    return json.loads(source.read(text)), source.read(data)


def _answer(header: dict[str, Any], data: bytes) -> bytes:
    """Return an answer: `width`, `height` and `pages` of the image and a PNG file of it; or `error`.

    The request has `name`, for messages, `most` pixels, `path` of a file that is read in place of the data, `side` that
    the picture is shrunk to, 0 for none, `figure`, the values of the part of the file that is asked for, [] for all of it,
    and `edges`: whether it is a photograph whose edges are found. An answer has `bomb` beside `error` where the image is too
    large.
    """
    name, most, side = header["name"], header["most"], header["side"]
    try:
        data = read_bytes(header["path"]) if header["path"] else data
        if figure := figure_of(header["figure"]):
            image = read_figure(header["path"], figure, False, most)
        else:
            image = _edges(data, most) if header["edges"] else open_drawing(name, data, most=most)
        header = {"width": image.width, "height": image.height, "pages": count_pages(data)}
        if max(image.size) > side > 0:
            image = shrink(image, side)
        encoded = io.BytesIO()
        image.save(encoded, "PNG", compress_level=3)
        return pack(header, encoded.getvalue())
    except Exception as error:  # of damaged bytes decoders raise any exception
        cause = error.__cause__ or error
        if isinstance(cause, Image.DecompressionBombError):
            return pack({"error": f"{name}: has more than {most:,} pixels: {cause}", "bomb": True})
        if isinstance(cause, MemoryError):
            return pack({"error": f"{name}: takes too much memory", "bomb": True})
        if isinstance(error, DataError):
            return pack({"error": str(error)})
        reason = isinstance(error, OSError) and error.strerror or "it is damaged"
        return pack({"error": f"{name}: cannot be read: {reason}"})


def _edges(data: bytes, most: int) -> Image.Image:
    from fastpatent.search.photograph import edge_map

    with bounded_image(data, most) as image:
        image.load()
        turn = TURNS.get(orientation(image))
        image.thumbnail((LONGEST_PHOTOGRAPH, LONGEST_PHOTOGRAPH))
        photograph = image.convert("RGB")
    return edge_map(photograph if turn is None else photograph.transpose(turn))


if __name__ == "__main__":
    main()
