"""TIFF to PNG: the pixels of both, read by PIL."""

import io

import numpy as np
import pytest
from PIL import Image

from fastpatent.uspto.sheets import sheet_to_png
from fastpatent.uspto.skips import Reason, Refused
from tests.uspto.weeks import tif


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


def test_pixels_stay():
    for compression in ["group4", "group3", "raw", "packbits", "tiff_lzw"]:
        for size in [(40, 30), (1, 1), (33, 7), (8, 64)]:
            data = tif(5, size, compression=compression)
            png, width, height = sheet_to_png(data)
            assert (width, height) == size and (pixels(png) == pixels(data)).all(), f"{compression=}, {size=}"
            assert png[24] == 1 and png[25] == 0, f"{compression=}, {size=}"  # bits a sample, grey


def test_white_is_white_in_either_photometric():
    white = Image.new("1", (9, 9), 1)
    for photometric in (0, 1):
        data = encoded(white, tiffinfo={262: photometric})
        assert (pixels(sheet_to_png(data)[0]) == pixels(data)).all()


def test_equal_pixels_give_equal_bytes():
    one = tif(5, compression="group4", dpi=(300, 300))
    other = tif(5, compression="raw", description="another scan", icc_profile=b"profile")
    assert one != other and sheet_to_png(one)[0] == sheet_to_png(other)[0]
    assert sheet_to_png(one)[0] != sheet_to_png(tif(6))[0]


def frames():
    pages = [Image.new("1", (9, 9), colour) for colour in (0, 1)]
    return encoded(pages[0], save_all=True, append_images=pages[1:])


def png_file():
    file = io.BytesIO()
    Image.new("1", (9, 9)).save(file, "PNG")
    return file.getvalue()


def test_files_that_are_no_sheet_are_refused():
    for data, message in [
        (b"", "not a TIFF file"),
        (b"II*\0", "not a TIFF file"),
        (b"text " * 100, "not a TIFF file"),
        (png_file(), "not a TIFF file"),
        (frames(), "it has several pages"),
        (encoded(Image.new("L", (9, 9))), "its mode is L, a sheet has 1 bit"),
        (encoded(Image.new("RGB", (9, 9))), "its mode is RGB"),
        (encoded(Image.new("P", (9, 9))), "its mode is P"),
        (encoded(Image.new("1", (9500, 9500)), compression="group4"), "more than 89,478,485 pixels"),
        (encoded(Image.new("1", (20000, 20000)), compression="group4"), "more than 89,478,485 pixels"),
    ]:
        with pytest.raises(Refused, match=message) as caught:
            sheet_to_png(data)
        assert caught.value.reason == Reason.TIF


def test_a_file_cut_short_is_refused_or_has_the_pixels_that_pil_reads():
    data = tif(5, (200, 200), compression="raw")
    refused = 0
    for end in range(0, len(data), 61):
        try:
            png = sheet_to_png(data[:end])[0]
        except Refused:
            refused += 1
        else:
            assert (pixels(png) == pixels(data[:end])).all()
    assert refused > 50
