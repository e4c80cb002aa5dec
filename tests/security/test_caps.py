"""Images, lists and tables that claim, or hold, more than fits in memory, or that never end."""

import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fastpatent.config import get_cfg
from fastpatent.data import image, lists, tables
from fastpatent.data.check import check_dataset
from fastpatent.data.digests import read_content
from fastpatent.data.image import build_reader, read_drawing
from fastpatent.data.image_source import build_decode
from fastpatent.data.list_dataset import read_splits
from fastpatent.data.lists import check_labels, listed_samples, read_lines
from fastpatent.data.records import Sample, Splits
from fastpatent.data.statistics import measure_drawings
from fastpatent.data.tables import column_names, read_rows
from fastpatent.errors import DataError

READ = """
import resource, sys
from fastpatent.data.digests import read_content
from fastpatent.data.image import open_drawing
from PIL import Image
Image.init()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
for path in sys.argv[2:]:
    print(read_content(path).fault if sys.argv[1] == "content" else open_drawing(path).size)
print(peak() - before)
"""


def read_in_a_process(how, *paths):
    """Return (a line for each path, bytes by which the peak of memory rose)."""
    done = subprocess.run([sys.executable, "-c", READ, how, *map(str, paths)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *lines, rise = done.stdout.splitlines()
    return lines, int(rise)


def encoded(format, mode="L"):
    """Return a picture of 16 x 16 pixels as a mutable file."""
    file = io.BytesIO()
    Image.new(mode, (16, 16)).save(file, format, lossless=True)
    return bytearray(file.getvalue())


def patched(data, place, layout, *values):
    struct.pack_into(layout, data, place, *values)
    return bytes(data)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *extra):
    """Return a PNG of 1 bit a pixel with 10 MB of zeros, about 10 kB."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    pixels = zlib.compress(bytes(10**7), 9)
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b"")])


def tiff(width, height, **more):
    """Return a TIFF of one deflated strip, or of what the tags `t<number>` = value say instead."""
    pixels = zlib.compress(bytes(10**7), 9)
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: height, 279: len(pixels)}
    tags |= {int(name[1:]): value for name, value in more.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    return head + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


def bombs():
    """Return {file name: bytes} of pictures that must be refused."""
    text = b"c\0\0" + zlib.compress(bytes(10**8), 9)
    jpeg, webp, gif = encoded("JPEG"), encoded("WEBP", "RGB"), encoded("GIF")
    return {
        "large.png": png(100_000, 100_000),
        "ztxt.png": png(16, 16, chunk(b"zTXt", text)),
        "itxt.png": png(16, 16, chunk(b"iTXt", b"c\0\1\0\0\0" + text[3:])),
        "icc.png": png(16, 16, chunk(b"iCCP", text)),
        "large.tif": tiff(60_000, 60_000),
        "tile.tif": tiff(16, 16, t322=60_000, t323=60_000, t324=8, t325=100),
        "samples.tif": tiff(16, 16, t277=65_535),
        "bits.tif": tiff(16, 16, t258=65_535),
        "large.jpg": patched(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH", 65_000, 65_000),
        "large.webp": patched(webp, webp.index(b"VP8L") + 9, "<I", 16_382 | 16_382 << 14),
        "large.gif": patched(gif[:], 6, "<HH", 65_535, 65_535),
        "frame.gif": patched(gif, gif.index(b",", 13) + 5, "<HH", 65_535, 65_535),
        "large.bmp": patched(encoded("BMP"), 18, "<ii", 60_000, -60_000),
        "large_file.png": b"",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of memory is read as POSIX systems give it")
def test_bombs_are_refused_before_they_take_memory(tmp_path):
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
        assert len(data) < 250_000
    os.truncate(tmp_path / "large_file.png", image.MOST_BYTES + 1)  # sparse
    paths = sorted(tmp_path.iterdir())
    faults, rise = read_in_a_process("content", *paths)
    for path, fault in zip(paths, faults, strict=True):
        assert fault.startswith(f"{path}: ") or path.name == "large_file.png" and "may have 1,073,741,824" in fault
    assert rise < 100e6


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of memory is read as POSIX systems give it")
def test_at_most_six_bytes_a_pixel_are_taken(tmp_path):
    for mode in ("RGBA", "I;16"):
        Image.new(mode, (3000, 2000)).save(tmp_path / f"{mode}.png", compress_level=1)
    for path in tmp_path.iterdir():
        (size,), rise = read_in_a_process("drawing", path)
        assert size == "(3000, 2000)" and rise < 8 * 6e6, path  # what Pillow loads adds two for so few pixels


FRACTIONS = 150_000  # values of one tag


def directory(*entries, order="<", big=False, behind=b""):
    """A TIFF, or EXIF data, of the entries (tag, type, count, value), and bytes at the place that None stands for."""
    place, number, entry = (16, "Q", "HHQQ") if big else (8, "H", "HHII")
    end = place + struct.calcsize("=" + number) + len(entries) * struct.calcsize("=" + entry)
    start = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    whole = [struct.pack(order + number, len(entries))]
    for tag, kind, count, value in entries:
        whole.append(struct.pack(order + entry, tag, kind, count, end + 8 if value is None else value))
    return b"".join([b"II" if order == "<" else b"MM", start, *whole, bytes(8), behind])


def picture(*more, **options):
    """A TIFF of 2 x 2 pixels with more tags; the pixels are its first bytes."""
    tags = {256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 2, 279: 4}
    taken = {entry[0] for entry in more}
    return directory(*((tag, 4, 1, value) for tag, value in tags.items() if tag not in taken), *more, **options)


def with_exif(format, exif):
    """A picture with EXIF data, of a JPEG in parts."""
    data = bytes(encoded(format))
    if format == "PNG":
        return data[:33] + chunk(b"eXIf", exif) + data[33:]
    parts = [b"Exif\0\0" + exif[place : place + 60_000] for place in range(0, len(exif), 60_000)]
    return data[:2] + b"".join(struct.pack(">HH", 0xFFE1, len(part) + 2) + part for part in parts) + data[20:]


def tagged():
    """Return {name: picture with tags of many fractions}."""
    many = struct.pack("<II", 1, 1) * FRACTIONS
    turned, resolution = ((tag, 5, FRACTIONS, None) for tag in (274, 282))
    inner = struct.pack("<HHHIII", 1, 37386, 5, FRACTIONS, 500, 0)  # at the place of `behind`
    pointed = picture((34665, 4, 1, None), behind=inner)
    return {
        "turned.tif": picture(turned, behind=many),
        "order.tif": picture(resolution, order=">", behind=many),
        "big.tif": picture(resolution, big=True, behind=many),
        "pointed.tif": pointed.ljust(500, b"\0") + many,
        "exif.png": with_exif("PNG", directory(turned, behind=many)),
        "exif.jpg": with_exif("JPEG", directory((274, 4, 1, 1), resolution, (296, 4, 1, 2), behind=many)),
    }


def test_tags_of_many_values_are_not_unpacked(tmp_path, monkeypatch):
    made = []

    class Counted(TiffImagePlugin.IFDRational):
        def __init__(self, *values):
            made.append(values)
            super().__init__(*values)

    monkeypatch.setattr(TiffImagePlugin, "IFDRational", Counted)
    for name, data in tagged().items():
        (tmp_path / name).write_bytes(data)
        fault = read_content(tmp_path / name).fault
        if name in ("pointed.tif", "exif.png"):  # what is not read is no reason to refuse the picture
            assert not fault, name
        else:
            assert fault and ("too many values" in fault or "16 parts of EXIF" in fault), (name, fault)
        assert len(made) < 100, name


@pytest.mark.parametrize("order, big", [("<", False), (">", False), ("<", True)])
def test_tags_of_a_usual_number_of_values_are_read(tmp_path, order, big):
    options = {"order": order, "big": big}
    data = picture((282, 5, 2, None), (34675, 7, 700_000, None), (40_000, 3, 100_000, None), behind=bytes(10**6), **options)
    (tmp_path / "a.tif").write_bytes(data)
    assert (read_drawing(tmp_path / "a.tif") == [list(data[:2]), list(data[2:4])]).all()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    os.symlink("/dev/zero", tmp_path / "zero")
    for path in (str(tmp_path / "fifo"), str(tmp_path / "zero")):
        assert "not a regular file" in read_content(path).fault
        for use in (read_drawing, lambda path: list(read_lines(path)), check_labels, column_names):
            with pytest.raises(DataError, match="not a regular file"):
                use(path)


def test_other_formats_are_refused_whatever_the_name_of_the_file(tmp_path):
    contents = {
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 1, 16, 16, 8, 1) + bytes(270),
    }
    contents |= {name: bytes(encoded(name)) for name in ("PPM", "TGA", "PCX", "DDS", "SGI", "JPEG2000", "ICO", "PDF")}
    for name, data in contents.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"not a complete PNG|HTML or XML"):
            read_drawing(path)


def test_the_key_bounds_every_reader(tmp_path):
    path = str(tmp_path / "sheet.png")
    Image.new("1", (11, 10)).save(path)
    cfg = get_cfg()
    assert cfg.INPUT.MAX_PIXELS == image.MOST_PIXELS > 9933 * 14043  # A0 at 300 dpi
    splits = Splits("X", [Sample(path, "a")], [], [])
    for most in (109, 110):
        cfg.INPUT.MAX_PIXELS = most
        faults = [read_content(path, most).fault, *measure_drawings([path], most=most)[1]]
        findings = check_dataset([(splits, ["train"])], most=most).findings
        faults += next(found.cases for found in findings if found.name == "unreadable drawing")
        for read in (build_reader(cfg), build_decode(cfg, "SIZE_TEST")):
            try:
                read(path)
            except DataError as error:
                faults.append(str(error))
        faults = list(filter(None, faults))
        assert len(faults) == (5 if most == 109 else 0)
        assert all(f"{path}: refused, more than 109 pixels (INPUT.MAX_PIXELS): 11 x 10" == fault for fault in faults)


def test_pages_are_counted_up_to_a_bound(tmp_path, monkeypatch):
    pages = [Image.new("1", (4, 4), grey) for grey in (0, 1, 0, 1, 0)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    data = (tmp_path / "pages.tif").read_bytes()
    for most, counted in ((1000, 5), (6, 5), (5, 5), (3, 3)):
        monkeypatch.setattr(image, "MOST_PAGES", most)
        assert image.count_pages(data) == counted


def test_a_line_without_an_end_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "list.csv"
    for line, text in ((1, b""), (2, b"name,text\n")):
        with open(path, "wb") as file:
            file.write(text)
            for _ in range(32):
                file.write(b"a" * 2**20)
        for read in (read_lines, check_labels, lambda path: read_rows(path, ["name"], [])):
            tracemalloc.start()
            with pytest.raises(DataError, match=rf"list\.csv:{line}: the line has more than [\d,]+ letters"):
                list(read(path))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 8e6


def test_lists_and_tables_have_a_largest_number_of_lines(tmp_path, monkeypatch):
    path = tmp_path / "list.csv"
    path.write_text("name\n" + "a/x.png\n" * 3)
    for room in (lists, tables):
        for most in (3, 4):
            monkeypatch.setattr(room, "MOST_LINES", most)
            read = (lambda: list(read_lines(path))) if room is lists else (lambda: list(read_rows(path, ["name"], [])))
            if most == 4:
                assert len(read()) == 4 - (room is tables)
                continue
            with pytest.raises(DataError, match=r"list\.csv: the (list|table) has more than 3 lines"):
                read()


def test_odd_lines_of_a_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"a/x.png {'9' * 30_000}\na/y.png -{10**100}\n")
    assert list(read_lines(path)) == [(1, "a/x.png"), (2, "a/y.png")]
    with pytest.raises(DataError, match="has the label -1000.* and line 1 has 999"):
        check_labels(path)
    path.write_text("ä/" * 5_000 + "x.png 1\n")
    with pytest.raises(DataError, match=r"list\.txt:1: no such drawing|cannot be read: File name too long"):
        listed_samples(read_lines(path), path, tmp_path)
    path.write_text("a/x.png 1\nb/y.png 2\nc\0c\n")
    with pytest.raises(DataError, match="zero bytes"):
        list(read_lines(path))


@pytest.mark.parametrize("images", [1, 8])
def test_reading_a_list_takes_150_bytes_a_line_beside_its_samples(tmp_path, monkeypatch, images):
    count = 20_000
    monkeypatch.setattr(lists, "MOST_NAMES", 2_000)
    patents = [f"USD{number // images:07d}" for number in range(count)]
    (tmp_path / "list.txt").write_text("".join(f"I2016/{name}/{name}-D{n:05d}.png 1\n" for n, name in enumerate(patents)))
    tracemalloc.start()
    splits = read_splits("X", tmp_path, {"train": "list.txt"}, ["."], ["."], verify=False)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(splits.train) == count and peak - held < 150 * count
    assert np.unique([id(sample.identity) for sample in splits.train]).size == count / images  # one string for all
