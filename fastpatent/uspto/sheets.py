"""Scanned sheets: the office's 1-bit TIFF to a 1-bit PNG of the same pixels."""

import io
import struct
import warnings
import zlib

from PIL import Image

from fastpatent.uspto.skips import Reason, Refused

BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # by the first bytes of a TIFF file
STRIP_OFFSETS, TILE_WIDTH = 273, 322  # tags
STRIPS = 100_000  # of a sheet; one of A0 at 300 dpi has 14,000 rows. PIL needs 300 bytes for each


def sheet_to_png(data: bytes) -> tuple[bytes, int, int]:
    """Convert a TIFF file.

    Equal pixels give equal bytes: only the pixels are written to the PNG file. For 1-bit drawings, run-length encoding
    gives smaller files than zlib's default strategy in half the time.

    Args:
        data: the TIFF file's bytes.

    Returns:
        (bytes of the PNG file, width, height in pixels).

    Raises:
        Refused: not a TIFF, not 1 bit per pixel, several pages, more pixels than PIL's MAX_IMAGE_PIXELS, tiles, more strips
            than STRIPS, or damaged.
    """
    try:
        _refuse_parts(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's warnings are harmless here or refused below
            with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
                _refuse_others(image)
                image.load()
                image.info.clear()  # else some metadata, such as profiles, is written to the PNG file
                png = io.BytesIO()
                image.save(png, "PNG", compress_type=zlib.Z_RLE)
                return png.getvalue(), *image.size
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(Reason.TIF, f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except (Image.UnidentifiedImageError, struct.error) as error:
        raise Refused(Reason.TIF, "not a TIFF file") from error
    except Exception as error:  # decoders may raise anything on damaged bytes
        raise Refused(Reason.TIF, f"cannot be decoded: {error or type(error).__name__}") from error


def _refuse_parts(data: bytes) -> None:
    """Raise Refused where a TIFF's first page is of tiles, which may be larger than the page, or of too many strips."""
    order = BYTE_ORDERS.get(data[:4])
    if order is None:
        raise Refused(Reason.TIF, "not a TIFF file")
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, place)
    for entry in range(place + 2, place + 2 + 12 * entries, 12):
        tag, count = struct.unpack_from(f"{order}H2xI", data, entry)
        if tag == TILE_WIDTH:
            raise Refused(Reason.TIF, "it consists of tiles, a sheet of strips")
        if tag == STRIP_OFFSETS and count > STRIPS:
            raise Refused(Reason.TIF, f"it has {count:,} strips, more than {STRIPS:,}")


def _refuse_others(image: Image.Image) -> None:
    """Raise Refused where an opened TIFF is not one 1-bit page."""
    if image.mode != "1":
        raise Refused(Reason.TIF, f"its mode is {image.mode}, a sheet has 1 bit per pixel")
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError  # PIL itself only warns up to twice this limit
    if getattr(image, "is_animated", False):
        raise Refused(Reason.TIF, "it has several pages, a sheet has one")
