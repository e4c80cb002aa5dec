"""Reading an image file of any colour mode as grey pixels: black ink 0, white paper 255."""

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

from fastpatent.errors import DataError

FORMATS = ("PNG", "TIFF", "JPEG", "BMP")
TIFF_BITS_PER_SAMPLE, TIFF_PHOTOMETRIC, TIFF_WHITE_IS_ZERO = 258, 262, 0
GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # factors that scale PNG samples below 8 bits to 0..255


def read_drawing(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a PNG, TIFF (first page), JPEG or BMP file.

    Transparent parts become white, colours become their luma, 16-bit samples are scaled to 8 bits.

    Args:
        path: file name.

    Returns:
        uint8 [height, width], 0 ink .. 255 paper.

    Raises:
        DataError: the file is missing, empty, truncated, not an image, or has more pixels than PIL's MAX_IMAGE_PIXELS.
    """
    return np.asarray(open_drawing(path))


def open_drawing(path: str | os.PathLike[str], data: bytes | None = None) -> Image.Image:
    """Read an image as `read_drawing`, but return a PIL image of mode L.

    Args:
        path: file name.
        data: the file's bytes, if they have been read already.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's warnings are harmless here or raised as errors below
            with Image.open(path if data is None else io.BytesIO(data), formats=FORMATS) as image:
                if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                return _to_grey(image)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: no such drawing") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: refused, more than {Image.MAX_IMAGE_PIXELS:,} pixels ({error})") from error
    except Exception as error:  # on damaged bytes, decoders raise any exception
        raise DataError(f"{path}: cannot be read as a drawing: {_reason(path, data, error)}") from error


def _to_grey(image: ImageFile.ImageFile) -> Image.Image:
    if image.format in ("JPEG", "MPO"):
        ImageOps.exif_transpose(image, in_place=True)  # PIL rotates TIFF pages itself
    if image.mode.startswith("I;16"):
        return _from_deep_samples(image)
    if image.mode in ("I", "F"):
        raise DataError("its samples are 32 bits deep or signed, so white is unknown; save it with 8 or 16 bits")
    if image.mode in ("1", "L"):
        return _from_grey_levels(image)
    if image.mode[-1] in "Aa" or "transparency" in image.info:
        drawing = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("L")
    return image.convert("RGB").convert("L")


def _from_grey_levels(image: ImageFile.ImageFile) -> Image.Image:
    transparent = image.info.get("transparency")
    if transparent is None:
        image.load()
        return image if image.mode == "L" else image.convert("L")
    rawmode = str(image.tile[0].args) if image.tile else "L"
    transparent *= GREY_STEPS.get(rawmode, 1)
    grey = image.convert("L")
    return grey.point([255 if level == transparent else level for level in range(256)])


def _from_deep_samples(image: ImageFile.ImageFile) -> Image.Image:
    white, inverted = 65535, False
    if image.format == "TIFF":  # PIL does not convert these samples
        from PIL.TiffImagePlugin import TiffImageFile  # loaded by now; at the top of the file it costs 10 ms

        assert isinstance(image, TiffImageFile)
        white = 2 ** image.tag_v2.get(TIFF_BITS_PER_SAMPLE, (16,))[0] - 1
        inverted = image.tag_v2.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO
    samples = np.asarray(image).astype(np.uint32)
    grey = ((samples * 255 + white // 2) // white).astype(np.uint8)
    if inverted:
        grey = 255 - grey
    if "transparency" in image.info:
        grey[samples == image.info["transparency"]] = 255
    return Image.fromarray(grey)


def _reason(path: str | os.PathLike[str], data: bytes | None, error: Exception) -> str:
    if data == b"" or (data is None and os.path.isfile(path) and os.path.getsize(path) == 0):
        return "the file is empty"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is not a complete PNG, TIFF, JPEG or BMP file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
