"""Images of every colour mode, written by PIL or byte by byte, and files that are not images."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from fastpatent.data.image import count_pages, open_drawing, read_drawing
from fastpatent.errors import DataError


def ramp(height=13, width=17):
    """uint8 [height, width] with all kinds of grey levels: 0, 255 and between."""
    grey = np.arange(height * width, dtype=np.uint32).reshape(height, width) * 255 // (height * width - 1)
    return grey.astype(np.uint8)


def binary(height=13, width=17):
    return np.where((np.arange(height)[:, None] * 3 + np.arange(width)) % 4 == 0, 0, 255).astype(np.uint8)


def luma(rgb):
    """ITU-R 601-2 in float64, [..., 3] -> [...]."""
    return rgb.astype(np.float64) @ [0.299, 0.587, 0.114]


def test_one_bit_and_grey_are_exact(tmp_path):
    for suffix in ["png", "bmp", "tif", "TIF", "tiff"]:
        for name, image, truth in (
            ("1", Image.fromarray(binary()).convert("1"), binary()),
            ("L", Image.fromarray(ramp()), ramp()),
        ):
            path = tmp_path / f"{name}.{suffix}"
            image.save(path)
            read = read_drawing(path)
            assert read.dtype == np.uint8, f"{suffix=}, {name=}"
            np.testing.assert_array_equal(read, truth, err_msg=f"{suffix=}, {name=}")


def test_one_bit_tiff_of_both_photometrics(tmp_path):
    for photometric in [0, 1]:
        for compression in [None, "group4", "tiff_lzw"]:
            path = tmp_path / "sheet.tif"
            Image.fromarray(binary()).convert("1").save(path, compression=compression, tiffinfo={262: photometric})
            with Image.open(path) as written:
                assert written.tag_v2[262] == photometric, f"{photometric=}, {compression=}"
            np.testing.assert_array_equal(read_drawing(path), binary(), err_msg=f"{photometric=}, {compression=}")


def test_shallow_grey_png_reaches_white(tmp_path):
    for bits in [1, 2, 4]:
        levels = np.arange(2**bits, dtype=np.uint8)[None]
        path = tmp_path / "grey.png"
        path.write_bytes(png(levels.shape[1], 1, bits, 0, packed(levels, bits)))
        np.testing.assert_array_equal(read_drawing(path), levels * (255 // (2**bits - 1)), err_msg=f"{bits=}")


def test_transparent_grey_level_is_paper(tmp_path):
    """A tRNS chunk gives a level in the bit depth of the file; here black is transparent."""
    for bits in [1, 2, 4, 8, 16]:
        levels = np.array([[0, 1, 2**bits - 1]], np.uint32)
        path = tmp_path / "key.png"
        path.write_bytes(png(3, 1, bits, 0, packed(levels, bits), transparency=struct.pack(">H", 0)))
        scale = 255 / (2**bits - 1)
        np.testing.assert_array_equal(read_drawing(path), [[255, round(scale), 255]], err_msg=f"{bits=}")


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    for suffix in ["png", "tif"]:
        deep = np.linspace(0, 65535, 300).astype(np.uint16).reshape(15, 20)
        path = tmp_path / f"deep.{suffix}"
        Image.fromarray(deep).save(path)
        np.testing.assert_array_equal(read_drawing(path), np.rint(deep / 257.0), err_msg=f"{suffix=}")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_sixteen_bit_tiff_of_both_orders(tmp_path, order, photometric):
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    path = tmp_path / "deep.tif"
    path.write_bytes(tiff(order, 4, 1, 16, photometric, deep.astype(f"{order}u2").tobytes()))
    if (order, photometric) == (">", 0):
        with pytest.raises(DataError, match="deep.tif"):  # PIL has no such mode: an error, never an inverted image
            read_drawing(path)
        return
    truth = np.array([[0, 1, 128, 255]])
    np.testing.assert_array_equal(read_drawing(path), truth if photometric else 255 - truth)


def test_twelve_bit_tiff_reaches_white(tmp_path):
    path = tmp_path / "twelve.tif"
    path.write_bytes(tiff("<", 2, 1, 12, 1, bytes([0x00, 0x0F, 0xFF])))
    np.testing.assert_array_equal(read_drawing(path), [[0, 255]])


def test_thirty_two_bits_are_refused(tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(np.ones((3, 3), np.float32)).save(path)
    with pytest.raises(DataError, match=r"float\.tif.*32 bits"):
        read_drawing(path)


def test_colours_become_luma(tmp_path):
    for suffix in ["png", "bmp", "tif"]:
        rgb = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        rgb[0, 0] = 255
        path = tmp_path / f"colour.{suffix}"
        Image.fromarray(rgb).save(path)
        read = read_drawing(path)
        assert read[0, 0] == 255, f"{suffix=}"
        np.testing.assert_allclose(read, luma(rgb), atol=0.51, err_msg=f"{suffix=}")


def test_transparency_shows_white_paper(tmp_path):
    for mode in ["LA", "RGBA"]:
        for suffix in ["png", "tif"]:
            generator = np.random.default_rng(1)
            alpha = generator.integers(0, 256, (12, 10), dtype=np.uint8)
            alpha[0, :3] = [0, 255, 128]
            colour = generator.integers(0, 256, (12, 10, 1 if mode == "LA" else 3), dtype=np.uint8)
            colour[0, 0] = 0
            path = tmp_path / f"clear.{suffix}"
            Image.fromarray(np.concatenate([colour, alpha[..., None]], 2)).save(path)
            opacity = alpha[..., None] / 255
            shown = colour * opacity + 255 * (1 - opacity)
            read = read_drawing(path)
            assert read[0, 0] == 255, f"{mode=}, {suffix=}"
            np.testing.assert_allclose(
                read, shown[..., 0] if mode == "LA" else luma(shown), atol=1.01, err_msg=f"{mode=}, {suffix=}"
            )


def test_palettes(tmp_path):
    for transparency in [None, 2, bytes([255, 255, 0])]:
        palette = Image.new("P", (4, 1))
        palette.putpalette([255, 255, 255, 0, 0, 0, 255, 0, 0])
        palette.putdata([0, 1, 2, 1])
        path = tmp_path / "palette.png"
        palette.save(path, **({} if transparency is None else {"transparency": transparency}))
        red = round(255 * 0.299) if transparency is None else 255
        np.testing.assert_allclose(read_drawing(path), [[255, 0, red, 0]], atol=1, err_msg=f"{transparency=}")


def test_cmyk_paper_is_white(tmp_path):
    for suffix in ["tif", "jpg"]:
        path = tmp_path / f"ink.{suffix}"
        page = np.zeros((16, 32, 4), np.uint8)
        page[:, 16:, 3] = 255
        Image.fromarray(page, "CMYK").save(path, **({"quality": 100} if suffix == "jpg" else {}))
        read = read_drawing(path)
        assert read[8, 4] == 255 and read[8, 28] <= 2, f"{suffix=}"


AS_STORED = {  # EXIF orientation -> the stored pixels of an upright image, by the definition of the tag: (first row, column)
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.T,  # left, top
    6: lambda upright: np.rot90(upright, 1),  # right, top
    7: lambda upright: np.rot90(upright, 2).T,  # right, bottom
    8: lambda upright: np.rot90(upright, -1),  # left, bottom
}


@pytest.mark.parametrize("orientation", AS_STORED)
def test_every_orientation_is_turned_upright(tmp_path, orientation):
    upright = np.kron(binary(5, 8), np.ones((8, 8), np.uint8))
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, image, settings in (
        ("raw.tif", stored, {"tiffinfo": {0x0112: orientation}}),
        ("deep.tif", Image.fromarray(np.asarray(stored).astype(np.uint16) * 257), {"tiffinfo": {0x0112: orientation}}),
        ("raw1.tif", stored.convert("1"), {"tiffinfo": {0x0112: orientation}}),
        ("lzw.tif", stored, {"tiffinfo": {0x0112: orientation}, "compression": "tiff_lzw"}),
        ("fax.tif", stored.convert("1"), {"tiffinfo": {0x0112: orientation}, "compression": "group4"}),
        ("photo.jpg", stored, {"exif": exif, "quality": 100}),
        ("grey.png", stored, {"exif": exif}),
        ("one_bit.png", stored.convert("1"), {"exif": exif}),
        ("colour.webp", stored.convert("RGB"), {"exif": exif, "lossless": True}),
    ):
        image.save(tmp_path / name, **settings)
        read = read_drawing(tmp_path / name)
        assert read.shape == upright.shape, name
        np.testing.assert_allclose(read, upright, atol=2 if name == "photo.jpg" else 0, err_msg=name)


def test_damaged_orientation_is_ignored(tmp_path):
    path = tmp_path / "sheet.png"
    Image.fromarray(ramp()).save(path, exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(read_drawing(path), ramp())


def test_the_first_of_many_pages_or_frames_is_read_and_all_are_counted(tmp_path):
    pages = [Image.fromarray(np.full((4, 6), level, np.uint8)) for level in (200, 10, 20)]
    for name, settings in (("x.tif", {}), ("x.gif", {}), ("x.webp", {"lossless": True}), ("x.png", {}), ("x.mpo", {})):
        path = tmp_path / name
        for images, count in ((pages, 1 if name == "x.mpo" else 3), (pages[:1], 1)):
            images[0].save(path, save_all=True, append_images=images[1:], **settings)
            np.testing.assert_allclose(read_drawing(path), np.full((4, 6), 200), atol=1, err_msg=name)
            assert count_pages(path.read_bytes()) == count, name


def test_gif_and_webp_of_every_kind(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 0, 0], [255, 255, 255], [9, 9, 9]]], np.uint8)
    clear = np.dstack([colours, np.array([[255, 255, 255, 0]], np.uint8)])
    for name, settings in (("x.gif", {}), ("x.webp", {"lossless": True})):
        for pixels, truth in ((colours, [[76, 0, 255, 9]]), (clear, [[76, 0, 255, 255]])):
            Image.fromarray(pixels).save(tmp_path / name, **settings)
            np.testing.assert_allclose(read_drawing(tmp_path / name), truth, atol=1, err_msg=name)


def test_white_on_black_is_made_black_on_white_where_it_is_asked_for(tmp_path):
    sheet = np.full((60, 50), 255, np.uint8)
    sheet[20:40, 10:12] = 0
    for number, pixels in enumerate((sheet, 255 - sheet)):
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        np.testing.assert_array_equal(read_drawing(path), pixels)
        np.testing.assert_array_equal(read_drawing(path, invert=True), sheet)


def test_extreme_sizes(tmp_path):
    for size in [(1, 1), (1, 6000), (6000, 1), (6000, 6000)]:
        path = tmp_path / "sheet.png"
        Image.new("1", size, 1).save(path)
        read = read_drawing(path)
        assert read.shape == size[::-1] and read.min() == 255, f"{size=}"


def test_sides_that_no_filter_can_take_are_refused(tmp_path):
    for size in [(65_536, 1), (1, 65_536)]:
        path = tmp_path / "strip.png"
        Image.new("1", size, 1).save(path)
        with pytest.raises(DataError, match=rf"strip\.png: .*it has {size[0]} x {size[1]} pixels, a side may have 65,535"):
            read_drawing(path)


@pytest.mark.parametrize("largest", [400, 150])
def test_bombs_are_refused_at_either_level(tmp_path, monkeypatch, largest):
    """Pillow refuses above twice its own limit, and up to that we do."""
    path = tmp_path / "bomb.png"
    Image.new("1", (21, 20)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", largest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"bomb\.png: refused, more than \d+ pixels \(INPUT.MAX_PIXELS\)"):
            read_drawing(path, most=min(419, 2 * largest))
    assert read_drawing(path, most=420).shape == (20, 21)


def test_more_pixels_than_pillow_allows_can_be_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    Image.new("1", (21, 20)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_drawing(path, most=1000).shape == (20, 21)


def test_truncated_files_are_refused(tmp_path):
    for suffix in ["png", "tif", "jpg", "bmp"]:
        for share in [0.02, 0.5, 0.9]:
            path = tmp_path / f"half.{suffix}"
            noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(noise).save(path, **({"compression": "tiff_lzw"} if suffix == "tif" else {}))
            data = path.read_bytes()
            path.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(DataError, match=rf"half\.{suffix}: cannot be read as a drawing"):
                read_drawing(path)


def test_damaged_pixels_are_refused(tmp_path):
    path = tmp_path / "damaged.png"
    Image.fromarray(ramp(64, 64)).save(path)
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT") + 20
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged.png"):
        read_drawing(path)


def test_files_that_are_no_drawings_are_refused(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("L", (4, 4)).save(tmp_path / "picture.ppm")
    (tmp_path / "picture.ppm").rename(tmp_path / "ppm.png")
    for name, reason in (
        ("empty.png", "the file is empty"),
        ("text.png", "not a complete PNG"),
        ("ppm.png", "not a complete PNG"),
        ("absent.png", "no such drawing"),
        ("text.png/inside.png", "no such drawing"),
        (".", "directory"),
    ):
        with pytest.raises(DataError) as error:
            read_drawing(tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and reason in str(error.value)


def test_bytes_are_read_as_the_file_is(tmp_path):
    path = tmp_path / "sheet.png"
    Image.fromarray(ramp()).save(path)
    assert open_drawing("elsewhere", path.read_bytes()).tobytes() == open_drawing(path).tobytes()
    with pytest.raises(DataError, match="elsewhere.*empty"):
        open_drawing("elsewhere", b"")


def test_overlong_text_chunk_is_an_error(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    path = tmp_path / "text.png"
    Image.new("L", (4, 4)).save(path, pnginfo=info)
    with pytest.raises(DataError, match="text.png"):
        read_drawing(path)


def test_real_sheets_are_white_paper_with_black_lines(shared):
    sheets = sorted((shared / "impact/patents").glob("*/*.TIF"))[:4]
    for sheet in sheets:
        read = read_drawing(sheet)
        assert set(np.unique(read)) == {0, 255} and np.mean(read == 255) > 0.8


def packed(levels, bits):
    """Rows of PNG samples: filter byte, then `bits` a sample, most significant first."""
    rows = b""
    for row in levels:
        text = "".join(f"{int(level):0{bits}b}" for level in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    return rows


def png(width, height, bits, colour_type, rows, transparency=None):
    """A PNG file by its specification."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    if transparency is not None:
        body += chunk(b"tRNS", transparency)
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(order, width, height, bits, photometric, pixels):
    """An uncompressed one-strip TIFF file by its specification."""
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: height, 279: len(pixels)}
    fields[273] = 8 + 2 + 12 * len(fields) + 4
    directory = struct.pack(f"{order}H", len(fields))
    for tag, value in fields.items():
        directory += struct.pack(f"{order}HHII", tag, 4, 1, value)
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return header + directory + struct.pack(f"{order}I", 0) + pixels
