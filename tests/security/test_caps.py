"""Images, lists and tables that claim, or hold, more than fits in memory, or that never end."""

import io
import os
import resource
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pyarrow
import pytest
from PIL import Image, TiffImagePlugin
from pyarrow import parquet

from fastpatent.config import get_cfg
from fastpatent.data import image, lists, tables
from fastpatent.data.captions import NO_TEXT, TWICE, with_captions
from fastpatent.data.check import check_dataset
from fastpatent.data.datasets import captioned
from fastpatent.data.datasets.impact import split_patents
from fastpatent.data.digests import read_content
from fastpatent.data.image import build_reader, read_drawing
from fastpatent.data.image_source import build_decode
from fastpatent.data.impact import sheets
from fastpatent.data.list_dataset import read_splits
from fastpatent.data.lists import Listing, check_labels, listed_samples, read_lines
from fastpatent.data.records import Sample, Splits
from fastpatent.data.statistics import measure_drawings
from fastpatent.data.tables import MALFORMED, column_names, read_rows
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
        with pytest.raises(DataError, match=r"not a complete PNG|HTML or XML|is a PDF"):
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


def run_length_bmp(width, height):
    """Return a BMP of 8 bits a pixel whose rows are one run of one pixel each."""
    start, runs = 14 + 40 + 1024, b"\1\0\0\0" * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs


def test_small_files_that_take_long_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MOST_READS", 2_000, raising=False)
    monkeypatch.setattr(image, "MOST_RUN_PIXELS", 1_000, raising=False)
    file = io.BytesIO()
    Image.new("L", (64, 64), 200).save(file, "JPEG", progressive=True)
    progressive, jpeg, sheet = file.getvalue(), bytes(encoded("JPEG")), png(16, 16)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    chunks = {count: sheet[:33] + chunk(b"prVt", b"") * count + sheet[33:] for count in (300, 2_000)}
    for reason, good, bad in (
        (r"[23]\d scans of 4,096 pixels", *(progressive[:-2] + scan * count + b"\xff\xd9" for count in (10, 20))),
        ("more than 2,000 parts", *(jpeg[:2] + b"\xff" * count + jpeg[2:] for count in (1_800, 2_000))),
        ("more than 2,000 parts", *(jpeg[:2] + b"\xff\xfe\0\2" * count + jpeg[2:] for count in (400, 2_000))),
        ("more than 2,000 parts", *(jpeg[:2] + b"\xff\xfe\0\2" + bytes(count) + jpeg[2:] for count in (1_800, 2_000))),
        ("more than 2,000 parts", chunks[300], chunks[2_000]),
        ("compressed BMP may have 1,000 pixels, and it has 1,001", run_length_bmp(1_000, 1), run_length_bmp(1_001, 1)),
    ):
        path = tmp_path / "picture"
        path.write_bytes(good)
        read_drawing(path, most=64 * 64)
        path.write_bytes(bad)
        with pytest.raises(DataError, match=reason):
            read_drawing(path, most=64 * 64)


def test_a_webp_has_a_third_of_the_pixels(tmp_path):
    path = tmp_path / "x.webp"
    Image.new("RGB", (10, 10)).save(path, lossless=True)
    assert read_drawing(path, most=300).shape == (10, 10)
    with pytest.raises(DataError, match="a third of INPUT.MAX_PIXELS, 99 pixels, and it has 100"):
        read_drawing(path, most=299)


@pytest.mark.parametrize(("mode", "big"), [("L", False), ("L", True), ("I;16B", False)])
def test_pages_of_a_tiff_are_counted_without_reading_their_tags(tmp_path, monkeypatch, mode, big):
    pages = [Image.new(mode, (4 + number, 4)) for number in range(7)]
    for count in (1, 2, 7):
        pages[0].save(tmp_path / f"{count}.tif", save_all=True, append_images=pages[1:count], big_tiff=big)
        with Image.open(tmp_path / f"{count}.tif") as opened:
            assert opened.n_frames == count
    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", lambda *_: pytest.fail("tags are read"))
    for count in (1, 2, 7):
        assert image.count_pages((tmp_path / f"{count}.tif").read_bytes()) == count


def test_the_directories_of_a_tiff_may_form_a_circle_or_lead_out_of_the_file():
    for start, form, tag in ((b"II*\0", "<HI", 12), (b"MM\0*", ">HI", 12), (b"II+\0\10\0\0\0", "<QQ", 20)):
        first, size = len(start) + struct.calcsize(form[0] + form[2]), struct.calcsize(form) + 2 * tag
        for last in (0, first, first + size, first + 3 * size, 2**32 - 1):
            after = [first + size, first + 2 * size, last]
            directories = b"".join(
                struct.pack(form[:2], 2) + bytes(2 * tag) + struct.pack(form[0] + form[2], n) for n in after
            )
            assert image.count_pages(start + struct.pack(form[0] + form[2], first) + directories) == 3, (start, last)


def sides(*entries, big=False):
    """A TIFF of 2 x 2 pixels in one tile of 16 x 16, or of what the entries say instead, behind the others or in them."""
    usual = [(322, 3, 1, 16), (323, 3, 1, 16), (324, 4, 1, 8), (325, 4, 1, 256)]
    given = {entry[0] for entry in entries}
    return picture(*(entry for entry in usual if entry[0] not in given), *entries, behind=bytes(2**12), big=big)


def test_a_side_that_pillow_and_libtiff_may_read_as_different_numbers_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    for big, kinds in ((False, (3, 4)), (True, (3, 4, 16))):
        for tag, side in ((256, 2), (257, 2), (322, 16), (323, 16)):
            for kind in kinds:
                path.write_bytes(sides((tag, kind, 1, side), big=big))
                assert read_drawing(path).shape == (2, 2), (tag, kind)
            # 17: Pillow skips it, libtiff does not
            others = [(tag, kind, 1, side) for kind in range(20) if kind not in kinds]
            for more in (*([entry] for entry in others), [(tag, 4, 2, None)], [(tag, 4, 1, side), (tag, 4, 1, 40_000)]):
                path.write_bytes(sides(*more, big=big))
                with pytest.raises(DataError, match="given twice, or is not one whole number"):
                    read_drawing(path)


def test_directories_that_overlap_are_counted_without_their_entries(monkeypatch):
    step, entries = 12, 2_400
    data = bytearray(8 + step * (entries + 3_000))
    struct.pack_into("<2sHI", data, 0, b"II", 42, 8)
    for page in range(1_000):
        place = 8 + step * page
        struct.pack_into("<H", data, place, entries)
        struct.pack_into("<I", data, place + 2 + step * entries, place + step)
    asked = []

    class Counted(struct.Struct):
        def unpack_from(self, *what):
            asked.append(what)
            return super().unpack_from(*what)

    monkeypatch.setattr(struct, "Struct", Counted)
    assert image.count_pages(bytes(data)) == 1_000 and len(asked) < 3_000


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


LONG, SHORTER = pyarrow.array(["x" * 20_000_000]), pyarrow.array(["x" * 60_000])
MANY = "more than 67,108,864 letters and elements"
COLUMNS = {  # values of a column, options of its writer, and why it is refused
    "a long text of a dictionary": ([pyarrow.DictionaryArray.from_arrays([0] * 1000, LONG)], {}, "a text has 20,000,000"),
    "the same, unknown to Arrow": (
        [pyarrow.DictionaryArray.from_arrays([0] * 1000, LONG)],
        dict(store_schema=False),
        r"it takes more than 0\.0625 GiB",
    ),
    "a long text": ([LONG.take([0] * 3)], {}, "a text has 20,000,000"),
    "a long text in lists": (
        [pyarrow.ListArray.from_arrays(range(1001), LONG.take([0] * 8 + [None] * 992))],
        {},
        "a text has 20,000,000|it takes more than",
    ),
    "a text in many rows": ([pyarrow.DictionaryArray.from_arrays([0] * 60_000, SHORTER)], {}, MANY),
    "nothing, often": ([pyarrow.nulls(6_000_000, pyarrow.string())], {}, "more than 5,000,000 rows"),
    "long lists": (
        [pyarrow.ListArray.from_arrays(range(0, 7 * 10**7 + 1, 10**7), pyarrow.nulls(7 * 10**7, pyarrow.string()))],
        {},
        MANY,
    ),
    "not UTF-8": ([pyarrow.array([b"\xff"]).view(pyarrow.string())], {}, "can't decode byte 0xff"),
    "a time": ([pyarrow.array([2**62], pyarrow.timestamp("ns"))], {}, "neither texts nor numbers"),
    "a date": ([pyarrow.array([2**31 - 1], pyarrow.date32())], {}, "neither texts nor numbers"),
    "bytes": ([pyarrow.array([b"a"])], {}, "neither texts nor numbers"),
    "a structure": ([pyarrow.array([{"a": "b"}])], {}, "neither texts nor numbers"),
    "two columns": ([pyarrow.array(["a"])] * 2, {}, ""),
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
@pytest.mark.parametrize("arrays, options, why", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_parquet_that_are_no_texts_or_too_many(arrays, options, why, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_TEXT", 2**26)
    monkeypatch.setattr(tables, "MOST_MEMORY", 2**26 if "0625" in why else 2**31)
    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.Table.from_arrays(arrays, ["t"] * len(arrays)), path, compression="zstd", **options)
    assert path.stat().st_size < 250_000
    before, limit = pyarrow.total_allocated_bytes(), resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(DataError, match=rf"table\.parquet: cannot be read as Parquet: .*({why})"):
        list(read_rows(path, ["t"], []))
    assert pyarrow.total_allocated_bytes() == before and resource.getrlimit(resource.RLIMIT_AS) == limit


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
def test_memory_is_bounded_only_while_arrow_works(tmp_path):
    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.table({"t": ["a"] * 3000}), path)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    assert {resource.getrlimit(resource.RLIMIT_AS) for _ in read_rows(path, ["t"], [])} == {limit}
    with tables._bounded_memory(2**28):
        lower = resource.getrlimit(resource.RLIMIT_AS)
        with pytest.raises(MemoryError):
            np.empty(2**32, np.uint8)  # far more: what other tests have mapped may be freed meanwhile
    assert lower != limit == resource.getrlimit(resource.RLIMIT_AS)


def test_a_table_of_nulls_and_numbers(tmp_path):
    """As captions, and as a list of drawings."""
    path = tmp_path / "table.parquet"
    values = {
        "filepath": ["a/1.png", None, "a/2.png"],
        "n": [1, None, 3],
        "none": pyarrow.nulls(3),
        "lists": [[], None, [2]],
    }
    parquet.write_table(pyarrow.table(values), path)
    rows = [values for _, values in read_rows(path, ["n", "none", "lists", "filepath", "n"], [])]
    assert rows == [["1", "", "", "a/1.png", "1"], ["", "", "", "", ""], ["3", "", "2", "a/2.png", "3"]]
    (tmp_path / "a").mkdir()
    Image.new("1", (4, 4)).save(tmp_path / "a/2.png")
    skipped = {kind: [] for kind in (MALFORMED, "drawing of a caption missing", "without a text")}
    (found,) = captioned.read_pairs(str(path), str(tmp_path), "n", skipped)
    assert found.caption == "3" and skipped["drawing of a caption missing"] == [f"{path}, row 1: there is no a/1.png"]
    assert skipped[MALFORMED] == [f"{path}, row 2: the filepath is empty"]


def test_one_identity_in_many_rows_has_one_message(tmp_path):
    (tmp_path / "t.csv").write_text("patent,title\n" + "a,b\n" * 50_000)
    cfg = get_cfg()
    cfg.DATASETS.ROOT, table = str(tmp_path), cfg.DATASETS.CAPTIONS.TABLE
    table.FILE, table.IDENTITY, table.TEXT, table.CLASS = "t.csv", "patent", "title", ""
    splits = with_captions(Splits("X", [Sample("x", "a")], [], []), cfg)
    assert splits.train[0].caption == "b" and splits.skipped[TWICE] == [f"{tmp_path}/t.csv:3: a was in an earlier row"]


def test_a_table_of_malformed_rows_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_MALFORMED", 3)
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1\n" * 3 + "1,2\n")
    assert len(list(read_rows(path, ["a"], []))) == 1
    path.write_text("a,b\n" + "1\n" * 4 + "1,2\n")
    malformed = []
    with pytest.raises(DataError, match=r"t\.csv:6: more than 3 rows are malformed; the first is .*t\.csv:2: 1 fields"):
        list(read_rows(path, ["a"], malformed))
    assert len(malformed) == 4


@pytest.mark.parametrize("name, why", [("gone" * 5000, "there is no (gone){125}"), ("", "the filepath is empty")])
def test_a_table_of_missing_drawings_ends(tmp_path, monkeypatch, name, why):
    monkeypatch.setattr(captioned, "MOST_MALFORMED", 3)
    parquet.write_table(pyarrow.table({"filepath": [name] * 9, "t": ["a"] * 9}), tmp_path / "t.parquet")
    skipped = {kind: [] for kind in (MALFORMED, captioned.MISSING, NO_TEXT)}
    with pytest.raises(DataError, match=rf"t\.parquet, row 4: more than 3 rows have no drawing; the first is .* 1: {why}$"):
        captioned.read_pairs(str(tmp_path / "t.parquet"), str(tmp_path), "t", skipped)


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


def test_a_list_of_missing_folders_is_not_remembered_folder_by_folder(tmp_path, monkeypatch):
    listing, asked = Listing(), []
    for name in ("listdir", "stat"):
        ask = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path, *more, ask=ask, **how: asked.append(path) or ask(path, *more, **how))
    tracemalloc.start()
    for number in range(100):
        assert listing.find(f"{tmp_path}/é{number}/{'folder/' * 180}x.png") is None
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 1e6 and len(asked) < 100 * (tmp_path.as_posix().count("/") + 5)


def test_the_names_that_are_remembered_take_a_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MOST_BYTES", 1_000_000)
    listing = Listing()
    tracemalloc.start()
    for number in range(1_000):
        assert listing.find(f"{tmp_path}/{number}/{'folder/' * 300}x.png") is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5e6


def test_the_folder_of_a_patent_in_many_rows_is_searched_once(tmp_path, monkeypatch):
    name = "USD0000001-20210105"
    (tmp_path / name).mkdir()
    (tmp_path / name / "notes.txt").touch()
    rows = [f"\"['{name}-D{number:05d}.TIF']\",D14,a,b" for number in range(20)]
    (tmp_path / "impact.csv").write_text("\n".join(["file_names,class,title,caption", *rows]))
    searched, found = [], sheets._found
    monkeypatch.setattr(sheets, "_found", lambda *what: searched.append(what) or found(*what))
    with pytest.raises(DataError, match="0 patents with sheets"):
        split_patents(tmp_path, "caption", 0.5, 0)
    assert len(searched) == 1


@pytest.mark.parametrize("images", [1, 8])
def test_reading_a_list_takes_150_bytes_a_line_beside_its_samples(tmp_path, monkeypatch, images):
    count = 20_000
    monkeypatch.setattr(lists, "MOST_BYTES", 400_000)
    patents = [f"USD{number // images:07d}" for number in range(count)]
    (tmp_path / "list.txt").write_text("".join(f"I2016/{name}/{name}-D{n:05d}.png 1\n" for n, name in enumerate(patents)))
    tracemalloc.start()
    splits = read_splits("X", tmp_path, {"train": "list.txt"}, ["."], ["."], verify=False)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(splits.train) == count and peak - held < 150 * count
    assert np.unique([id(sample.identity) for sample in splits.train]).size == count / images  # one string for all


def tiff_of_tiles(data, places, side=256, tile=64):
    """A TIFF whose JPEG tiles begin at `places` of the data, and end with it."""
    sizes = {256: side, 257: side, 322: tile, 323: tile, 258: 8, 259: 7, 262: 1, 277: 1}
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {**sizes, 324: (0,) * len(places), 325: tuple(len(data) - place for place in places)}.items():
        tags[tag] = value
    start = 8 + len(tags.tobytes(8))
    tags[324] = tuple(start + place for place in places)
    return b"II*\0" + struct.pack("<I", 8) + tags.tobytes(8) + data


def test_the_scans_of_a_tiff_of_jpeg_tiles_are_counted(tmp_path):
    """Those of the tile that has most; tiles at one place, or that share their ends, have its scans each."""
    tile, path = io.BytesIO(), tmp_path / "a.tif"
    Image.new("L", (64, 64), 99).save(tile, "JPEG")
    whole = tile.getvalue()
    path.write_bytes(tiff_of_tiles(whole, (0,) * 16))
    assert (read_drawing(path, most=2**16) == 99).all()
    scans = whole + b"\xff\xda\0" * 30
    for places, message in ((0,) * 16, "31 scans of 65,536 pixels"), (range(16), "tiles lie over each other"):
        path.write_bytes(tiff_of_tiles(scans, places))
        with pytest.raises(DataError, match=message):
            read_drawing(path, most=2**16)
    packed = io.BytesIO()
    Image.new("L", (64, 640), 99).save(packed, "TIFF", compression="jpeg")  # strips
    path.write_bytes(packed.getvalue())
    assert (read_drawing(path) == 99).all()


def test_names_longer_than_those_of_files_are_not_normalised(tmp_path, monkeypatch):
    normalised, normalize = [], lists.unicodedata.normalize
    monkeypatch.setattr(lists.unicodedata, "normalize", lambda form, name: normalised.append(name) or normalize(form, name))
    (tmp_path / "a").touch()
    assert Listing().find(f"{tmp_path}/" + "\u0301" * 16_000 + "\u0323" * 16_000) is None
    assert Listing().find(f"{tmp_path}/\u0301") is None and max(map(len, normalised)) < 1000


def test_a_folder_of_many_files_is_no_patents(tmp_path):
    folder = tmp_path / "USD0907292-20210105"
    folder.mkdir()
    sheet = "USD0907292-20210105-D00001.TIF"
    for place in range(sheets.MOST_FILES - 1):
        (folder / f"{place}").touch()
    (folder / sheet).touch()
    assert sheets.SheetFinder(tmp_path).find(folder.name, [sheet]) == {sheet: str(folder / sheet)}
    (folder / "one more").touch()
    assert sheets.SheetFinder(tmp_path).find(folder.name, [sheet]) == {}
