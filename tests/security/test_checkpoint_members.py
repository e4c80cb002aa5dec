"""Weights files and checkpoints that lie about their size: refused in a sentence, in the memory of the file itself."""

import io
import json
import pickle
import struct
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from fastpatent.engine.checkpoint import load_checkpoint
from fastpatent.errors import CheckpointError
from fastpatent.models.state_file import read_content, read_state_file

MIB = 2**20
LARGE = 256 * MIB  # what an attack that succeeds would take
MOST = 32 * MIB
FLOATS = bytes(16)


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def number(value):
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)


def multiples(count):
    """The pickle of keys that are numbers of one hash, 0, with their values."""
    return b"".join(b"\x8a\x0c" + (place * (2**61 - 1)).to_bytes(12, "little") + b"N" for place in range(count))


def tensor(count, size, stride, legacy=False):
    """The pickle of a float32 tensor, in a storage of so many values that is called "0"."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count)
    storage += (b"N" if legacy else b"") + b"tQ"
    size, stride = (of if isinstance(of, bytes) else b"(" + b"".join(map(number, of)) + b"t" for of in (size, stride))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(0)
        + size
        + stride
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def pickled(before=b"", w=None, **values):
    """A dict with a training state's iteration, after some pickle that is stored under `x`."""
    values = {"w": w or tensor(4, (4,), (1,)), "iteration": number(1), **({"x": before} if before else {}), **values}
    return b"\x80\2}(" + b"".join(text(name) + value for name, value in values.items()) + b"u."


def zipped(content, data=FLOATS, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/byteorder", "little")
        archive.writestr("a/data/0", data)
        archive.writestr("a/version", "3\n")
    return file.getvalue()


def overlapping():
    """An archive that names the same bytes many times, each time as another part."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickled())
        archive.writestr("a/data/0", bytes(MIB))
        first = archive.getinfo("a/data/0")
        for place in range(1, 200):
            again = zipfile.ZipInfo(f"a/data/{place}")
            again.header_offset, again.file_size, again.compress_size = first.header_offset, MIB, MIB
            again.CRC = first.CRC
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    return file.getvalue()


def older(content, keys=("0",), data=(4).to_bytes(8, "little") + FLOATS):
    """A file as torch.save wrote it before its zip archives."""
    sizes = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC_NUMBER, PROTOCOL_VERSION, sizes))
    return head + content + pickle.dumps(list(keys), 2) + data


def safetensors(shape, end, header=None):
    found = header or json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode()
    return len(found).to_bytes(8, "little") + found + FLOATS


def doubled(function, arguments, start):
    """The pickle of the result of a function on its own result, 26 times."""
    return start + b"q\2" + (b"c" + function + b"\n(h\2" + arguments + b"tRq\2") * 26


def copies(function):
    """A long list, and a dict or shape made of it again and again."""
    return b"](" + b"K\1" * 10**5 + b"eq\2" + b"](" + (b"c" + function + b"\n(h\2tR") * 1000 + b"e"


def saved(**content):
    file = io.BytesIO()
    torch.save({"iteration": 1, "w": torch.zeros(2), **content}, file)
    return file.getvalue()


def many(value, count):
    """A list of the same tensor, made anew for each place."""
    return b"](" + value * count + b"e"


def lengthened(legacy=False):
    """A tensor that is put on more values of its storage than that has, as in pickles before torch 0.2."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(4)
    storage += b"N" * legacy + b"tQ"
    return tensor(4, (4,), (1,), legacy) + b"(" + storage + number(0) + b"(" + number(40) + b"t(" + number(1) + b"ttb"


def attributes(build):
    """Many objects that all take the attributes of one large dict."""
    names = b"}(" + b"".join(text(str(place)) + b"N" for place in range(10**4)) + b"uq\2"
    return zipped(pickled(names + b"q\3](" + (build + b"h\2b") * 2000 + b"e\x86"))


def copied(name, value="a" * 10**6):
    """Many objects that all are made of one long text."""
    return zipped(pickled(name + b"q\1" + text(value) + b"\x85q\2](" + b"h\1h\2R" * 2000 + b"e\x87"))


def keys(value, key=b"h\1"):
    """Many dicts with a key that is made of one value."""
    return zipped(pickled(value + b"q\1](" + (b"}" + key + b"Ns") * 1000 + b"e\x86"))


def sized(size):
    return zipped(pickled(w=tensor(4, size, (1,))))


def two_directories(large=False):
    """An archive with a directory of deflated members, and one of stored members where only Python looks for it."""
    members, directory, _ = parts(zipped(pickled(w=tensor(COUNT, (COUNT,), (1,))), bytes(LARGE), zipfile.ZIP_DEFLATED))
    decoys, other, end = parts(zipped(pickled()))
    start = len(members)
    content = members + directory + decoys + moved(other, start - len(decoys))
    if not large:
        return content + end[:16] + struct.pack("<IH", start, 0)
    sizes = (other.count(b"PK\1\2"),) * 2 + (len(other), start)
    end_64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, *sizes)
    return content + end_64 + struct.pack("<4sIQI", b"PK\6\7", 0, len(content), 1) + end


def parts(archive):
    """Return the members, the directory and the end of a zip archive."""
    start = zipfile.ZipFile(io.BytesIO(archive)).start_dir
    return archive[:start], archive[start:-22], archive[-22:]


def moved(directory, distance):
    """Return a directory whose members are so many bytes further."""
    first, *entries = directory.split(b"PK\1\2")
    places = [int.from_bytes(entry[38:42], "little") + distance for entry in entries]
    return first + b"".join(
        b"PK\1\2" + entry[:38] + struct.pack("<I", place) + entry[42:] for entry, place in zip(entries, places)
    )


MORE = "refused: its tensors have more than 4 times the bytes of the file"


def typed(kind):
    return torch.empty(2, dtype=getattr(torch, kind))


SHAPE = "refused: a tensor has "
OTHER = "holds tensors that are quantised, sparse or without values"
COUNT = LARGE // 4
DEEP = 300_000  # tuples, at which their hash ends Python 3.11
ATTACKS = {
    "deflated": (
        lambda: zipped(pickled(w=tensor(COUNT, (COUNT,), (1,))), bytes(LARGE), zipfile.ZIP_DEFLATED),
        "refused: its parts are larger than the file",
    ),
    "overlapping": (overlapping, "refused: its parts are larger than the file"),
    "expanded": (lambda: zipped(pickled(w=tensor(4, (10**6, 10**7), (0, 0)))), MORE),
    "expanded, older": (lambda: older(pickled(w=tensor(4, (10**12,), (0,), True))), MORE),
    "one storage, many names": (
        lambda: zipped(pickled(many(tensor(MIB, (MIB,), (1,)), 9), tensor(MIB, (1,), (1,))), bytes(4 * MIB)),
        MORE,
    ),
    "larger than its storage": (lambda: zipped(pickled(w=tensor(4, (COUNT,), (1,)))), MORE),
    "a little larger": (lambda: zipped(pickled(w=tensor(4, (40,), (1,)))), "is damaged or incomplete"),
    "a little larger, older": (lambda: older(pickled(w=tensor(4, (40,), (1,), True))), "is damaged or incomplete"),
    "lengthened afterwards, older": (lambda: older(pickled(w=lengthened(True))), "is damaged or incomplete"),
    "storage larger than its part": (lambda: zipped(pickled(w=tensor(COUNT, (COUNT,), (1,)))), "is damaged or incomplete"),
    "part that is not there": (
        lambda: older(pickled(w=tensor(COUNT, (1,), (1,), True)), (), b""),
        "refused: 1 of its storages have no values, or too few",
    ),
    "absurd size": (lambda: older(pickled(w=tensor(2**60, (2**60,), (1,), True)), ()), "is damaged or incomplete"),
    "tensor of a size": (lambda: zipped(pickled(b"ctorch\nFloatTensor\n(" + number(COUNT) + b"tR")), OTHER),
    "bytes of a size": (lambda: zipped(pickled(b"cbuiltins\nbytearray\n(" + number(LARGE) + b"tR")), ""),
    "codec": (
        lambda: zipped(pickled(doubled(b"_codecs\nencode", text("hex"), text("abab")))),
        "is damaged or incomplete",
    ),
    "attributes of a namespace": (lambda: attributes(b"cargparse\nNamespace\n)\x81"), ""),
    "attributes of a dict": (lambda: attributes(b"ccollections\nOrderedDict\n)R"), ""),
    "text of a version": (lambda: copied(b"ctorch.torch_version\nTorchVersion\n"), ""),
    "text of a path": (lambda: copied(b"cpathlib\nPosixPath\n", "a/" * 10**5), ""),
    "long type": (lambda: copied(b"cnumpy\ndtype\n", ",".join(["f8"] * 10**5)), "refused: the type of a NumPy value"),
    "deep key": (lambda: zipped(pickled(b"}" + b")" + b"\x85" * DEEP + b"K\1s")), ""),
    "deep key, filled": (lambda: zipped(pickled(b"}" + b")" + b"q\1K\1h\1\x87" * DEEP + b"K\1s")), ""),
    "deep key of a storage": (
        lambda: zipped(pickled(b"(" + text("storage") + b"ctorch\nFloatStorage\n)" + b"\x85" * DEEP + b"NK\1tQ")),
        "refused: a storage has no name",
    ),
    "key of 2^60 values": (lambda: zipped(pickled(b"}K\1q\1" + b"q\2h\2\x86" * 60 + b"K\1s")), ""),
    "key of pairs": (
        lambda: zipped(pickled(b"ccollections\nOrderedDict\n](NN\x86q\2" + b"h\2\x86q\2" * 60 + b"N\x86e\x85R")),
        "",
    ),
    "keys of one hash": (lambda: zipped(pickled(b"}(" + multiples(60_000) + b"u")), ""),
    "a long list": (lambda: zipped(pickled(b"](" + b"N" * 2**20 + b"e")), ""),
    "key of one long text": (lambda: keys(text("a" * 10**6), b"(" + b"h\1" * 300 + b"t"), ""),
    "key of few long texts": (lambda: keys(text("a" * 10**6), b"(" + b"h\1" * 16 + b"t"), ""),
    "storage as a key": (lambda: keys(b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + b"NK\4tQ"), ""),
    "size of a text": (lambda: sized(b"(" + text("a") + number(3 << 30) + b"t"), SHAPE),
    "size of a list": (lambda: sized(b"(](K\1e" + number(2**30) + b"t"), SHAPE),
    "size of large numbers": (lambda: sized(b"(\x8a\xff" + b"\x7f" * 255 + b"q\1" + b"h\1" * 4499 + b"t"), SHAPE),
    "no size": (lambda: sized(number(4)), SHAPE),
    "memory as it was found": (
        lambda: zipped(pickled(b"ctorch.storage\nUntypedStorage\n(" + number(MIB) + b"tR")),
        "is damaged or incomplete",
    ),
    "typed memory as it was found": (
        lambda: zipped(pickled(b"ctorch.storage\nTypedStorage\n(" + number(MIB) + b"tR")),
        "refused: it needs torch.storage.TypedStorage",
    ),
    "two directories": (lambda: two_directories(), "refused: its zip archive has another directory"),
    **{
        f"{kind}": (lambda kind=kind: saved(x=typed(kind)), f"holds tensors of torch.{kind}, which are no weights")
        for kind in ("bits8", "bits16", "float4_e2m1fn_x2", "float8_e4m3fn", "complex64")
    },
    "safetensors, complex": (lambda: save({"x": typed("complex64")}), "holds tensors of torch.complex64"),
    "two directories of large archives": (lambda: two_directories(large=True), "refused: its zip archive has another"),
    "copies": (lambda: zipped(pickled(copies(b"torch\nSize"))), "it would grow to more than its size"),
    "meta": (lambda: saved(x=torch.empty(10**12, device="meta")), OTHER),
    "sparse": (lambda: saved(x=torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), [1.0], (10**12,))), OTHER),
    "quantised": (lambda: saved(x=torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)), OTHER),
    "nested": (lambda: zipped(pickled(b"]" * 10**5 + b"a" * (10**5 - 1))), "refused: more than 100 dicts and lists"),
    "safetensors, shape": (lambda: safetensors([10**6, 10**7], 16), "is damaged or incomplete"),
    "safetensors, shape beyond 64 bits": (lambda: safetensors([2**40, 2**40], 16), "is damaged or incomplete"),
    "safetensors, offsets": (lambda: safetensors([10**12], 4 * 10**12), "is damaged or incomplete"),
    "safetensors, header": (lambda: (2**31).to_bytes(8, "little") + b"{" + bytes(99), "is damaged or incomplete"),
    "safetensors, nested": (lambda: safetensors(0, 0, b'{"a":' * 10**5 + b"}" * 10**5), "is damaged or incomplete"),
}  # fmt: skip


def peak():
    """Return the most memory of this process since `clear_refs` was written, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("read", [read_state_file, load_checkpoint])
@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_larger_than_its_file_is_refused_before_memory_is_spent(name, read, tmp_path):
    write, sentence = ATTACKS[name]
    path = tmp_path / "x.pth"
    path.write_bytes(write())
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    if sentence:
        with pytest.raises(CheckpointError, match=rf"x\.pth: {sentence}|x\.pth: .*{sentence}") as caught:
            read(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    else:  # what it would be filled with is not needed
        read(path)
    assert peak() - before < MOST


@pytest.mark.parametrize("write", [zipped, lambda content: older(content.replace(tensor(4, (4,), (1,)), older_tensor()))])
def test_the_same_files_without_the_lie_are_read(write, tmp_path):
    (tmp_path / "x.pth").write_bytes(write(pickled()))
    assert torch.equal(read_state_file(tmp_path / "x.pth").state["w"], torch.zeros(4))
    assert load_checkpoint(tmp_path / "x.pth")["iteration"] == 1


@pytest.mark.parametrize("listed", [[], ["0"]])
def test_storages_without_values_do_not_show_the_memory_of_the_process(listed, tmp_path):
    """A file before torch's zip archives lists the storages whose values follow; the others would be memory as it was."""
    both = older(pickled(w=older_tensor(), v=older_tensor().replace(text("0"), text("1"))), listed)
    (tmp_path / "x.pth").write_bytes(both + bytes(4096))
    with pytest.raises(CheckpointError, match=f"refused: {2 - len(listed)} of its storages have no values, or too few"):
        read_content(tmp_path / "x.pth")


def test_a_pickle_has_so_many_parts(tmp_path, monkeypatch):
    """An empty dict takes 64 bytes, and one in the pickle."""
    monkeypatch.setattr("fastpatent.models.harmless.MOST_READS", 10**4)
    for count, refused in ((9000, False), (10**4, True)):
        (tmp_path / "x.pth").write_bytes(zipped(pickled(b"](" + b"}" * count + b"e")))
        with pytest.raises(CheckpointError, match="its pickle has more than 10000 parts") if refused else nullcontext():
            read_content(tmp_path / "x.pth")


def older_tensor():
    return tensor(4, (4,), (1,), legacy=True)


def test_attributes_that_a_file_sets_are_not_there(tmp_path):
    """An OrderedDict or a parameter takes any attribute, and the package would call it."""
    state = b"ccollections\nOrderedDict\n)R(" + text("w") + tensor(4, (4,), (1,)) + b"u}" + text("items") + number(3) + b"sb"
    parameter = b"ctorch._utils\n_rebuild_parameter_with_state\n(" + tensor(4, (4,), (1,)) + b"\x89N}"
    parameter += text("detach") + number(3) + b"stR"
    for content in (b"\x80\2" + state + b".", pickled(w=parameter)):
        (tmp_path / "x.pth").write_bytes(zipped(content))
        assert torch.equal(read_state_file(tmp_path / "x.pth").state["w"], torch.zeros(4))
        assert type(read_content(tmp_path / "x.pth")) is dict


def test_containers_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("fastpatent.models.state_file.MOST_CONTAINERS", 1000)
    (tmp_path / "x.pth").write_bytes(zipped(pickled(b"](" + b"]" * 1000 + b"e")))
    with pytest.raises(CheckpointError, match="refused: it has more than 1,000 dicts, lists and tuples"):
        read_state_file(tmp_path / "x.pth")
