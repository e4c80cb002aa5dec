"""A scanned sheet: the office's 1-bit TIFF as 1-bit PNG of the same pixels."""

import io
import warnings
import zlib

from PIL import Image

from fastpatent.data.grants.skips import Reason, Refused


def sheet_to_png(data):
    """Convert a TIFF file.

    Equal pixels give equal bytes: nothing but the pixels goes into the PNG file. Of 1-bit drawings, run lengths make
    smaller files than zlib's default in half of its time.

    Args:
        data: the TIFF file's bytes.

    Returns:
        (bytes of the PNG file, width, height).

    Raises:
        Refused: no TIFF, not 1 bit a pixel, several pages, more pixels than PIL's MAX_IMAGE_PIXELS, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PIL warns of is either harmless here or refused below
            with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
                _refuse_others(image)
                image.load()
                image.info.clear()  # profiles and the like, of which some would go into the PNG file
                png = io.BytesIO()
                image.save(png, "PNG", compress_type=zlib.Z_RLE)
                return png.getvalue(), *image.size
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(Reason.TIF, f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Image.UnidentifiedImageError as error:
        raise Refused(Reason.TIF, "no TIFF file") from error
    except Exception as error:  # a decoder that is fed damaged bytes may raise anything
        raise Refused(Reason.TIF, f"cannot be decoded: {error or type(error).__name__}") from error


def _refuse_others(image):
    """Raise Refused where an opened TIFF is no single sheet of black on white."""
    if image.mode != "1":
        raise Refused(Reason.TIF, f"its mode is {image.mode}, a sheet is 1 bit a pixel")
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError  # PIL itself only warns up to twice as many
    if image.is_animated:
        raise Refused(Reason.TIF, "it has several pages, a sheet has one")
