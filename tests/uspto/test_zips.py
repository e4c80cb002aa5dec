"""ZIP files with false entries: what is refused, and that none unpacks to more than it declares."""

import io
import struct
import tracemalloc
import zipfile

import pytest

from fastpatent.uspto.skips import Reason, Refused
from fastpatent.uspto.zips import open_zip, refuse_name, unzip_member
from tests.uspto.weeks import zipped

BOMB = bytes(50 * 2**20)


def refusal(data, limit=1000):
    """The Refused raised by reading the first member."""
    with pytest.raises(Refused) as caught:
        archive = open_zip(io.BytesIO(data))
        unzip_member(archive, archive.infolist()[0], limit)
    return caught.value


def declared(data, size):
    """A ZIP file of one member with a different unpacked size in its header and its table of contents."""
    data = bytearray(data)
    struct.pack_into("<I", data, 22, size)
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, size)
    return bytes(data)


def test_members_are_read():
    for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]:
        for size in [0, 1, 1000, 3 * 2**20]:
            data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            archive = open_zip(io.BytesIO(zipped({"a": b"other", "b": data}, method)))
            assert unzip_member(archive, archive.infolist()[1], size) == data, f"{method=}, {size=}"


def test_bombs_are_refused_whatever_size_they_declare():
    for data in (zipped({"bomb": BOMB}), declared(zipped({"bomb": BOMB}), 999)):
        tracemalloc.start()
        refused = refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * 2**20
        assert refused.reason == (Reason.DAMAGED if data[22:26] == struct.pack("<I", 999) else Reason.LARGE)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_refused(method):
    assert "compression method" in refusal(zipped({"bomb": BOMB}, method), limit=10**9).detail


def test_a_table_of_contents_of_more_than_a_piece_is_not_read():
    data = zipped({f"{number:050d}": b"" for number in range(200)})
    assert len(open_zip(io.BytesIO(data)).infolist()) == 200
    with pytest.raises(Refused, match="its table of contents has more than 10,000 bytes"):
        open_zip(io.BytesIO(data), 10_000)


def test_a_file_cut_short_anywhere_is_refused():
    data = zipped({"a": bytes(range(256))})
    for end in range(len(data)):
        assert refusal(data[:end]).reason == Reason.DAMAGED


def test_flipped_bytes_are_never_returned():
    original = bytes(range(256)) * 3
    data = zipped({"a": original}, zipfile.ZIP_STORED)
    start = data.index(original)
    for place in range(start, start + len(original), 37):
        flipped = data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :]
        assert refusal(flipped).reason == Reason.DAMAGED


def test_links_and_passwords_are_refused():
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refusal(packed.getvalue()).reason == Reason.NO_FILE
    secret = bytearray(zipped({"secret": b"text"}))
    secret[6] |= 1
    secret[secret.index(b"PK\1\2") + 8] |= 1
    assert refusal(bytes(secret)).reason == Reason.ENCRYPTED


def test_names_that_lead_out_are_refused():
    for name in ["/a", "../a", "a/../../b", "a/..", "C:\\a", "C:a", "\\a", "a\\..\\b", "//host/a"]:
        with pytest.raises(Refused) as caught:
            refuse_name(name)
        assert caught.value.reason == Reason.UNSAFE
        if not name.endswith(".."):
            assert refusal(zipped({name: b""})).reason == Reason.UNSAFE


def test_names_inside_are_accepted():
    for name in ["a", "a/b", "./a", "a..b/c..", "I20210105/DESIGN/USD0000001-20210105.ZIP"]:
        refuse_name(name)
