"""Reading an image file of any colour mode as grey pixels: black ink 0, white paper 255."""

import io
import os
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.ExifTags import Base
from yacs.config import CfgNode

from fastpatent.data.appearance import is_inverted
from fastpatent.errors import DataError

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP")
LONGEST = 65_535  # pixels of a side; the filters of a resize take 32 bytes for each
TIFF_BITS_PER_SAMPLE, TIFF_PHOTOMETRIC, TIFF_WHITE_IS_ZERO = 258, 262, 0
GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # factors that scale PNG samples below 8 bits to 0..255


def inverts(cfg: CfgNode) -> bool:
    """Return whether INPUT.INVERT has images that are white on black made black on white, see `read_drawing`."""
    return cfg.INPUT.INVERT == "auto"


def build_reader(cfg: CfgNode) -> Callable[[str], np.ndarray]:
    """Return `read_drawing` with INPUT.INVERT, a picklable function of a path."""
    return partial(read_drawing, invert=inverts(cfg))


def read_drawing(path: str | os.PathLike[str], invert: bool = False) -> np.ndarray:
    """Read a PNG, TIFF, JPEG, BMP, GIF or WebP file: its first page or frame, upright.

    Transparent parts become white, colours become their luma, 16-bit samples are scaled to 8 bits.

    Args:
        path: file name.
        invert: make an image that is white on black (`is_inverted`) black on white.

    Returns:
        uint8 [height, width], 0 ink .. 255 paper.

    Raises:
        DataError: the file is missing, empty, truncated, not an image, or has more pixels than PIL's MAX_IMAGE_PIXELS or
            more than LONGEST on a side.
    """
    return np.asarray(open_drawing(path, invert=invert))


def open_drawing(path: str | os.PathLike[str], data: bytes | None = None, invert: bool = False) -> Image.Image:
    """Read an image as `read_drawing`, but return a PIL image of mode L.

    Args:
        path: file name.
        data: the file's bytes, if they have been read already.
        invert: see `read_drawing`.
    """
    try:
        if data is None:
            with open(path, "rb") as file:  # of a path, PIL maps uncompressed TIFFs, and shears those that lie on their side
                data = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's warnings are harmless here or raised as errors below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                if max(image.size) > LONGEST:
                    raise DataError(f"it has {image.width} x {image.height} pixels, a side may have {LONGEST:,}")
                grey = _to_grey(image)
        return ImageOps.invert(grey) if invert and is_inverted(np.asarray(grey)) else grey
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: no such drawing") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: refused, more than {Image.MAX_IMAGE_PIXELS:,} pixels ({error})") from error
    except Exception as error:  # on damaged bytes, decoders raise any exception
        raise DataError(f"{path}: cannot be read as a drawing: {_reason(data, error)}") from error


def count_pages(data: bytes) -> int:
    """Return how many pages or frames the file of a readable image has; the previews in a camera's JPEG are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            try:
                return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            except Exception:  # the other pages are damaged
                return 1


def _to_grey(image: ImageFile.ImageFile) -> Image.Image:
    rawmode = str(image.tile[0].args) if image.tile else "L"  # gone when the image is loaded
    _turn_upright(image)
    if image.mode.startswith("I;16"):
        return _from_deep_samples(image)
    if image.mode in ("I", "F"):
        raise DataError("its samples are 32 bits deep or signed, so white is unknown; save it with 8 or 16 bits")
    if image.mode in ("1", "L"):
        return _from_grey_levels(image, rawmode)
    if image.mode[-1] in "Aa" or "transparency" in image.info:
        drawing = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("L")
    return image.convert("RGB").convert("L")


def _turn_upright(image: ImageFile.ImageFile) -> None:
    """Load an image and turn it as its EXIF orientation says."""
    image.load()
    if image.format == "TIFF":
        return  # PIL has turned it
    try:
        orientation = image.getexif().get(Base.Orientation, 1)
    except Exception:  # of damaged EXIF data PIL raises any exception, and the pixels are good
        return
    if orientation != 1:
        ImageOps.exif_transpose(image, in_place=True)


def _from_grey_levels(image: ImageFile.ImageFile, rawmode: str) -> Image.Image:
    transparent = image.info.get("transparency")
    if transparent is None:
        return image if image.mode == "L" else image.convert("L")
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


def _reason(data: bytes | None, error: Exception) -> str:
    if data == b"":
        return "the file is empty"
    if data and data.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer to an image that is not here; run `git lfs pull` in its repository"
    if data and data.lstrip()[:1] == b"<":
        return "it is an HTML or XML page, as a failed download leaves"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is not a complete PNG, TIFF, JPEG, BMP, GIF or WebP file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
