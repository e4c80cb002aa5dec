"""Scanned sheets: the office's 1-bit TIFF to a 1-bit PNG of the same pixels."""

import io
import zlib

from PIL import Image

from fastpatent.data.image import bounded_image
from fastpatent.uspto.skips import Reason, Refused

PIXELS = 89_478_485  # of a sheet: 256 MiB in colour, above which PIL warns; A0 at 200 dpi has 62 million


class Undecoded(Refused):
    """A sheet failed in decoding, which may have taken as long as that of PIXELS."""


def sheet_to_png(data: bytes) -> tuple[bytes, int, int]:
    """Convert a TIFF file.

    Equal pixels give equal bytes: only the pixels are written to the PNG file. For 1-bit drawings, run-length encoding
    gives smaller files than zlib's default strategy in half the time.

    Args:
        data: the TIFF file's bytes.

    Returns:
        (bytes of the PNG file, width, height in pixels).

    Raises:
        Refused: not a TIFF, not 1 bit per pixel, several pages, more than PIXELS, or not opened by `bounded_image`.
        Undecoded: it is damaged, or refused by `bounded_image`.
    """
    try:
        with bounded_image(data, PIXELS, ("TIFF",)) as image:
            _refuse_others(image)
            image.load()
            image.info.clear()  # else some metadata, such as profiles, is written to the PNG file
            png = io.BytesIO()
            image.save(png, "PNG", compress_type=zlib.Z_RLE)
            return png.getvalue(), *image.size
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(Reason.TIF, f"more than {PIXELS:,} pixels") from error
    except Image.UnidentifiedImageError as error:
        raise Refused(Reason.TIF, "not a TIFF file") from error
    except Exception as error:  # decoders may raise anything on damaged bytes
        raise Undecoded(Reason.TIF, f"cannot be decoded: {error or type(error).__name__}") from error


def _refuse_others(image: Image.Image) -> None:
    """Raise Refused where an opened TIFF is not one 1-bit page."""
    if image.mode != "1":
        raise Refused(Reason.TIF, f"its mode is {image.mode}, a sheet has 1 bit per pixel")
    if getattr(image, "is_animated", False):
        raise Refused(Reason.TIF, "it has several pages, a sheet has one")
