"""Reading an image file of any colour mode as grey pixels: black ink 0, white paper 255."""

import errno
import io
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.ExifTags import IFD, Base
from yacs.config import CfgNode

from fastpatent.data.appearance import is_inverted
from fastpatent.errors import DataError
from fastpatent.files import open_regular

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP")  # by content: of other formats Pillow runs programs (EPS)
MOST_PIXELS = 178_956_970  # default of INPUT.MAX_PIXELS: where Pillow's own bound is; an A0 scan at 300 dpi has 140 million
MOST_BYTES = 2**30  # of a file; that A0 scan in uncompressed colour has 0.4 GiB
MOST_PAGES = 1000  # of a TIFF that are counted: its directories may overlap, so a small file may have millions
PDF_PAGE = re.compile(rb"/Type\s{0,9}/Page(?![A-Za-z])")
SCAN = b"\xff\xda\0"  # begins a scan of a JPEG
MOST_SCANS = 20  # of a JPEG of MAX_PIXELS, of a smaller one more; a progressive one has ten, and each goes over all pixels
MOST_READS = 1_000_000  # of a file: Pillow reads markers, chunks and runs one by one; the longest PNG has 130,000 chunks
MOST_RUN_PIXELS = 2**24  # of a run-length compressed BMP, which Pillow decodes in Python: 4 s
WEBP_SHARE = 3  # a WebP takes about three times the memory a pixel of other formats
LONGEST = 65_535  # pixels of a side; the filters of a resize take 32 bytes for each
BAND = 2**18  # pixels that are converted to grey at a time, so that the rest of the image needs no second copy in colour
TIFF_BITS_PER_SAMPLE, TIFF_PHOTOMETRIC, TIFF_WHITE_IS_ZERO = 258, 262, 0
TIFF_SIDES = 256, 257
TIFF_TILE_SIDES = 322, 323
SIDE_TYPES = 3, 4  # and 16 of a BigTIFF; others, and a second one, PIL and libtiff may read as different numbers
TIFF_COMPRESSION, TIFF_JPEG = 259, (6, 7)
TIFF_PARTS = (273, 279), (324, 325)  # where its strips and tiles are, and how long
TIFF_STARTS = b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+"  # those that Pillow takes
# Pillow makes an object of each value of a tag, by its type; bytes and texts, as of profiles, it leaves as they are
VALUE_COSTS = dict.fromkeys((3, 4, 6, 8, 9, 11, 12, 13, 16), 1) | {5: 100, 10: 100}  # 30 ns an integer, 3 us a fraction
ENTRY_COST = 100
MOST_COST = 250_000  # of a page's tags; one of 100,000 strips has two values for each, and an A0 scan has 14,000 rows
MOST_EXIF = 16  # parts of a JPEG's EXIF data, 64 KiB each; a picture has one, and there may be several in a file
GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # factors that scale PNG samples below 8 bits to 0..255
TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def inverts(cfg: CfgNode) -> bool:
    """Return whether INPUT.INVERT has images that are white on black made black on white, see `read_drawing`."""
    return cfg.INPUT.INVERT == "auto"


def build_reader(cfg: CfgNode) -> Callable[[str], np.ndarray]:
    """Return `read_drawing` with INPUT.INVERT and INPUT.MAX_PIXELS, a picklable function of a path."""
    return partial(read_drawing, invert=inverts(cfg), most=cfg.INPUT.MAX_PIXELS)


def read_drawing(path: str | os.PathLike[str], invert: bool = False, most: int = MOST_PIXELS) -> np.ndarray:
    """Read a PNG, TIFF, JPEG, BMP, GIF or WebP file: its first page or frame, upright.

    Transparent parts become white, colours become their luma, 16-bit samples are scaled to 8 bits. Memory: the file (of a
    TIFF twice), at most 6 bytes for each pixel, and 75 MB for the tags of a TIFF of the most strips; up to 9 bytes for each
    pixel of a progressive JPEG or a TIFF on its side, up to 17 of a WebP, which may have a third of the pixels.

    Args:
        path: file name.
        invert: make an image that is white on black (`is_inverted`) black on white.
        most: how many pixels it may have.

    Returns:
        uint8 [height, width], 0 ink .. 255 paper.

    Raises:
        DataError: the file is missing, empty, truncated, not an image, no regular file or larger than MOST_BYTES, or has
            more than `most` pixels, more than LONGEST on a side or more parts or scans than the bounds above.
    """
    return np.asarray(open_drawing(path, invert=invert, most=most))


def open_drawing(
    path: str | os.PathLike[str], data: bytes | None = None, invert: bool = False, most: int = MOST_PIXELS
) -> Image.Image:
    """Read an image as `read_drawing`, but return a PIL image of mode L.

    Args:
        path: file name.
        data: the file's bytes, if they have been read already.
        invert, most: see `read_drawing`.
    """
    try:
        data = read_bytes(path) if data is None else data
        if Image.MAX_IMAGE_PIXELS and most > 2 * Image.MAX_IMAGE_PIXELS:  # above which Pillow opens nothing
            Image.MAX_IMAGE_PIXELS = most
        with bounded_image(data, most) as image:
            grey = _to_grey(image)
        return black_on_white(grey) if invert else grey
    except Exception as error:  # on damaged bytes, decoders raise any exception
        raise _fault(path, error, most, data) from error


def grey_drawing(image: Image.Image | np.ndarray, name: str, most: int = MOST_PIXELS) -> Image.Image:
    """Return an image in memory as `open_drawing` returns that of a file, without `invert`.

    Args:
        image: PIL image of any mode, also one that is opened and not yet loaded; or uint8 [height, width], grey, or
            [height, width, 3 or 4], RGB or RGBA.
        name: for messages.
        most: how many pixels it may have.

    Raises:
        DataError: it is none of these, cannot be loaded, or is too large.
    """
    try:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or not (image.ndim == 2 or image.ndim == 3 and image.shape[2] in (3, 4)):
                raise DataError(f"an array of {image.dtype} {list(image.shape)} is no uint8 [height, width] or [.., 3 or 4]")
            image = Image.fromarray(image)
        if not image.width * image.height:
            raise DataError("it has no pixels")
        _check_pixels(*image.size, most)
        _check_depth(image)
        return _to_grey(image)
    except Exception as error:  # as in `open_drawing`
        raise _fault(name, error, most) from error


def black_on_white(grey: Image.Image) -> Image.Image:
    """Return an image of mode L, inverted where it is white on black (`is_inverted`)."""
    return ImageOps.invert(grey) if is_inverted(np.asarray(grey)) else grey


@contextmanager
def bounded_image(data: bytes, most: int, formats: tuple[str, ...] = FORMATS) -> Iterator[ImageFile.ImageFile]:
    """Open the bytes of an image for the block, in which it may be loaded: neither its pixels nor its tags take all memory.

    Args:
        data: the file's bytes.
        most: how many pixels it, or a tile of it, may have.
        formats: that it may have, as Pillow names them.

    Raises:
        DecompressionBombError: it has more than `most` pixels.
        DataError: a side is longer than LONGEST or unclear, its tags have too many values, its samples too many bits, or the
            file has more parts or scans than the bounds above.
        Exception: it is damaged; also in the block, where it is loaded.
    """
    _check_tags(data)
    if data[:2] == b"\xff\xd8" and data.count(b"Exif\0\0") > MOST_EXIF:  # Pillow joins them
        raise DataError(f"it has more than {MOST_EXIF} parts of EXIF data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's warnings are harmless here or raised as errors
        with Image.open(_File(data), formats=formats) as image:
            _check_size(image, data, most)
            if image.format == "TIFF":
                exif = image.getexif()  # PIL would read what these tags point to, of any size
                for tag in (IFD.Exif, IFD.GPSInfo, IFD.Interop):
                    exif.pop(tag, None)
            yield image


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of an image's file.

    They are read at once: PIL maps uncompressed TIFFs of a path, and shears those that lie on their side.

    Raises:
        OSError: the file is missing, unreadable, no regular file or larger than MOST_BYTES.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"the file has {size:,} bytes, it may have {MOST_BYTES:,}", os.fspath(path))
        return file.read(MOST_BYTES)


def count_pages(data: bytes) -> int:
    """Return how many pages or frames the file of a readable image has; the previews in a camera's JPEG are none.

    Pages of a TIFF after MOST_PAGES are not counted.
    """
    if pages := sum(1 for _ in _tiff_pages(data)):
        return pages
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            try:
                return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            except Exception:  # the others are damaged
                return 1


class _File(io.BytesIO):
    """A file in memory that is read in at most MOST_READS pieces."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MOST_READS:
            raise DataError(f"it has more than {MOST_READS:,} parts")
        return super().read(size)


def _tiff_pages(data: bytes) -> Iterator[Iterator[tuple[int, int, int]]]:
    """Yield the entries (tag, type, count) of each page of a TIFF or EXIF data, at most MOST_PAGES; of other data nothing.

    Entries are read only where they are iterated over, so pages that overlap take no longer than others.
    """
    if data[:4] not in TIFF_STARTS:
        return
    order, big = "<" if data[:2] == b"II" else ">", data[2] == 43  # BigTIFF: PIL reads it in little-endian order alone
    offset, number, entry = (struct.Struct(order + form) for form in (("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x")))
    places: set[int] = set()
    try:
        (place,) = offset.unpack_from(data, 8 if big else 4)
        while place and place not in places and len(places) < MOST_PAGES:
            (entries,) = number.unpack_from(data, place)
            places.add(place)
            first = place + number.size
            end = first + entries * entry.size
            yield (entry.unpack_from(data, place) for place in range(first, end, entry.size))
            (place,) = offset.unpack_from(data, end)
    except (struct.error, OverflowError):  # the file ends there, and PIL reads no further
        pass


def _check_tags(data: bytes) -> None:
    """Raise DataError where tags of a TIFF's first page cost more than MOST_COST, or a side is unclear.

    PIL loads no other page.
    """
    side_types = (*SIDE_TYPES, 16) if data[2:3] == b"+" else SIDE_TYPES
    cost, sides = 0, set()
    try:
        for tag, kind, count in chain.from_iterable(islice(_tiff_pages(data), 1)):
            cost += ENTRY_COST + count * VALUE_COSTS.get(kind, 0)
            if cost > MOST_COST:
                raise DataError("the tags of a page have too many values")
            if tag in TIFF_SIDES + TIFF_TILE_SIDES:
                if tag in sides or count != 1 or kind not in side_types:
                    raise DataError("a side of the page or of its tiles is given twice, or is not one whole number")
                sides.add(tag)
    except (struct.error, OverflowError):  # as in `_tiff_pages`
        pass


def _scans(image: ImageFile.ImageFile, data: bytes) -> int:
    """Return how often a JPEG goes over its pixels; of a TIFF of JPEG strips or tiles, that of these that has most scans.

    Raises:
        DataError: strips or tiles that are not one and the same lie over each other, so that they share their scans.
    """
    if image.format in ("JPEG", "MPO"):
        return data.count(SCAN)
    if image.format != "TIFF":
        return 0
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    if tags.get(TIFF_COMPRESSION) not in TIFF_JPEG:
        return 0
    parts = {part for kind in TIFF_PARTS for part in zip(*(tags.get(tag, ()) for tag in kind))}
    if sum(length for _, length in parts) > len(data):
        raise DataError("its strips or tiles lie over each other")
    return max((data.count(SCAN, start, start + length) for start, length in parts), default=0)


def _check_size(image: ImageFile.ImageFile, data: bytes, most: int) -> None:
    """Raise DecompressionBombError or DataError where an image is too large to be decoded, or has too many scans."""
    sizes = [image.size]
    if image.format == "TIFF":  # a tile, which is decoded as a whole, may be larger than its image
        sizes.append(tuple(image.tag_v2.get(tag, 0) for tag in TIFF_TILE_SIDES))  # pyright: ignore[reportAttributeAccessIssue]
    for width, height in sizes:
        _check_pixels(width, height, most)
    pixels = image.width * image.height
    if (scans := _scans(image, data)) * pixels > MOST_SCANS * most:
        raise DataError(f"it has {scans:,} scans of {pixels:,} pixels, which take too long")
    if image.format == "WEBP" and pixels > most // WEBP_SHARE:
        raise DataError(f"a WebP may have a third of INPUT.MAX_PIXELS, {most // WEBP_SHARE:,} pixels, and it has {pixels:,}")
    if image.format == "BMP" and image.tile[0].codec_name == "bmp_rle" and pixels > MOST_RUN_PIXELS:
        raise DataError(f"a compressed BMP may have {MOST_RUN_PIXELS:,} pixels, and it has {pixels:,}")
    _check_depth(image)


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise Image.DecompressionBombError(f"{width} x {height}")
    if max(width, height) > LONGEST:
        raise DataError(f"it has {width} x {height} pixels, a side may have {LONGEST:,}")


def _check_depth(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise DataError("its samples are 32 bits deep or signed, so white is unknown; save it with 8 or 16 bits")


def _to_grey(image: Image.Image) -> Image.Image:
    """Decode an image; return it upright and in mode L, converted in bands of rows."""
    tile = getattr(image, "tile", None)  # of a file; gone when the image is loaded
    rawmode = str(tile[0].args) if tile else "L"
    image.load()
    grey = image
    if image.mode != "L" or "transparency" in image.info:
        convert = _conversion(image, rawmode)
        grey, rows = Image.new("L", image.size), max(1, BAND // image.width)
        for top in range(0, image.height, rows):
            grey.paste(convert(image.crop((0, top, image.width, min(top + rows, image.height)))), (0, top))
    turn = TURNS.get(orientation(image))
    return grey if turn is None else grey.transpose(turn)


def _conversion(image: Image.Image, rawmode: str) -> Callable[[Image.Image], Image.Image]:
    """Return the function that converts parts of a loaded image to mode L."""
    if image.mode.startswith("I;16"):
        return _deep_conversion(image)
    if image.mode in ("1", "L"):
        return partial(_from_grey_levels, step=GREY_STEPS.get(rawmode, 1))
    if image.mode[-1] in "Aa" or "transparency" in image.info:
        return _on_white
    return lambda part: (part if part.mode == "RGB" else part.convert("RGB")).convert("L")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that a loaded image has to be turned by; 1: none."""
    if image.format == "TIFF":
        return 1  # PIL has turned it
    try:
        _check_tags(image.info.get("exif", b"").removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0"))
        return image.getexif().get(Base.Orientation, 1)
    except Exception:  # of damaged EXIF data PIL raises any exception, and the pixels are good
        return 1


def _on_white(part: Image.Image) -> Image.Image:
    drawing = part.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("L")


def _from_grey_levels(part: Image.Image, step: int) -> Image.Image:
    transparent, grey = part.info.get("transparency"), part.convert("L")
    if transparent is None:
        return grey
    return grey.point([255 if level == transparent * step else level for level in range(256)])


def _deep_conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return the function that converts parts of an image with 16-bit samples."""
    white, inverted = 65535, False
    if image.format == "TIFF":  # PIL does not convert these samples
        from PIL.TiffImagePlugin import TiffImageFile  # loaded by now; at the top of the file it costs 10 ms

        assert isinstance(image, TiffImageFile)
        white = 2 ** image.tag_v2.get(TIFF_BITS_PER_SAMPLE, (16,))[0] - 1
        inverted = image.tag_v2.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO

    def convert(part: Image.Image) -> Image.Image:
        samples = np.asarray(part).astype(np.uint32)
        grey = ((samples * 255 + white // 2) // white).astype(np.uint8)
        if inverted:
            grey = 255 - grey
        if "transparency" in image.info:
            grey[samples == image.info["transparency"]] = 255
        return Image.fromarray(grey)

    return convert


def _fault(path: str | os.PathLike[str], error: Exception, most: int, data: bytes | None = None) -> DataError:
    """Return why an image cannot be read, of whatever was raised."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return DataError(f"{path}: no such drawing")
    if isinstance(error, Image.DecompressionBombError):
        return DataError(f"{path}: refused, more than {most:,} pixels (INPUT.MAX_PIXELS): {error}")
    return DataError(f"{path}: cannot be read as a drawing: {_reason(data, error)}")


def foreign_format(data: bytes) -> str:
    """Return what a file is that is surely no image; "" where that is not known."""
    if not data:
        return "the file is empty"
    if data.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer to an image that is not here; run `git lfs pull` in its repository"
    if data.lstrip()[:1] == b"<":
        return "it is an HTML or XML page, as a failed download leaves"
    if data.startswith(b"%PDF-"):
        pages = len(PDF_PAGE.findall(data))  # 0 where they are in a compressed stream
        count = f" of {pages} page{'s' * (pages > 1)}" if pages else ""
        return (
            f"it is a PDF{count}, not an image; `pdfimages -png FILE NAME` extracts the pictures in it, "
            "`pdftoppm -r 300 -png FILE NAME` its pages"
        )
    return ""


def _reason(data: bytes | None, error: Exception) -> str:
    if data is not None and (found := foreign_format(data)):
        return found
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is not a complete PNG, TIFF, JPEG, BMP, GIF or WebP file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
