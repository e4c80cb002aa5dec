"""Hypothesis strategies for inputs that are almost right: damaged bytes, and trees with values of another kind in them."""

import copy
import re
import struct
import zlib

import torch
from hypothesis import strategies as st

NUMBER = re.compile(rb"\d+")
NUMBERS = (0, 1, -1, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**63, 10**30, 10**400)
SPLICED = (
    b"\0" * 64, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\n", b'"', b"{", b"]]]", b"%s", b"nan", b"1e999", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"../../", b"\r", b"\t,", b"&amp;&lol;", b"PK\3\4", b"null",
)  # fmt: skip

# Values of any kind, of which most are wrong wherever they stand.
STRANGE = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "/", "..", "~", "$NOT_SET", "/dev/null", "\udcff", "a" * 300, "0x10", "1e999", "(1,", "[" * 5000]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def damaged(seeds, most=4):
    """Draw one of some bytes, damaged up to `most` times: bits, cuts, copies, numbers; positions favour the beginning."""
    return st.composite(lambda draw: _damaged(draw, seeds, most))()  # hypothesis would write out arguments, for messages


def fixed(value):
    """Draw one large value, see `damaged`."""
    return st.builds(lambda: value)


def _damaged(draw, seeds, most):
    data = seeds[draw(st.integers(0, len(seeds) - 1))]
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(data)) | st.integers(0, min(len(data), 200)))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(("bit", "byte", "cut", "delete", "repeat", "insert", "overwrite", "other", "number"))):
            case "bit" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
            case "byte":
                data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "delete":
                data = data[:at] + data[at + length :]
            case "repeat":
                data = data[:at] + data[at : at + length] * draw(st.integers(2, 300)) + data[at + length :]
            case "insert":
                data = data[:at] + draw(st.sampled_from(SPLICED)) + data[at:]
            case "overwrite":
                piece = draw(st.sampled_from(SPLICED))
                data = data[:at] + piece + data[at + len(piece) :]
            case "other":
                other = seeds[draw(st.integers(0, len(seeds) - 1))]
                data = data[:at] + other[draw(st.integers(0, len(other))) :]
            case "number":
                found = NUMBER.search(data, at)
                if found:
                    data = data[: found.start()] + b"%d" % draw(st.sampled_from(NUMBERS)) + data[found.end() :]
    return data


def changed(value, replacements=STRANGE):
    """Draw a copy of nested dicts and lists in which up to three values are replaced, removed or added."""
    return st.composite(lambda draw: _changed(draw, copy.deepcopy(value), replacements))()


def _changed(draw, value, replacements):
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(value))
        if not places:
            return draw(replacements)
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(("replace", "remove", "add"))):
            case "replace":
                parent[key] = draw(replacements)
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(replacements)
            case "add":
                parent.append(draw(replacements))
    return value


def _places(value, depth=0):
    """Yield (container, key) of the values in nested dicts and lists; those near the top are as many as those below."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (key, item) in enumerate(list(items)):
        yield value, key
        if depth < 3 and number < 8:
            yield from _places(item, depth + 1)


def tensors():
    """Draw small tensors of any kind, empty and not finite ones among them."""
    kinds = st.sampled_from((torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool, torch.complex64))
    shapes = st.lists(st.integers(0, 5), max_size=4)
    fills = st.sampled_from((0.0, 1.0, float("nan"), float("inf")))
    return st.builds(
        lambda kind, shape, fill: torch.full(shape, fill).nan_to_num(nan=3).to(kind)
        if not kind.is_floating_point
        else torch.full(shape, fill, dtype=kind),
        kinds, shapes, fills,
    )  # fmt: skip


def with_checksums(png):
    """Return the bytes of a PNG file with the checksums of its chunks put right, as far as it has whole chunks."""
    at = 8
    while at + 12 <= len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(png):
            break
        png = png[:end] + struct.pack(">I", zlib.crc32(png[at + 4 : end])) + png[end + 4 :]
        at = end + 4
    return png
