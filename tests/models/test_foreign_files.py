"""Files of other kinds, written by the libraries whose they are, and the sentences about them."""

import gzip
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fastpatent.errors import CheckpointError
from fastpatent.models.state_file import read_state_file

WEIGHTS = {"weight": torch.zeros(10000)}


def text(content):
    return lambda path: path.write_bytes(content)


def cut(write):
    def write_and_cut(path):
        write(path)
        path.write_bytes(path.read_bytes()[:20000])

    return write_and_cut


def as_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
        archive.writestr("model_best.pth", "x")


def as_tar(path):
    torch.save(WEIGHTS, path)
    inner = path.rename(path.with_suffix(".inner"))
    with tarfile.open(path, "w") as archive:
        archive.add(inner, "weights.pth")


def as_npz(path):
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros(3))


def as_onnx(path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "g", [], [])
    path.write_bytes(onnx.helper.make_model(graph, producer_name="pytorch").SerializeToString())


def as_torch_script(path):
    class Linear(torch.nn.Linear):
        pass

    torch.jit.save(torch.jit.trace(Linear(2, 2), torch.zeros(1, 2)), path)


def index(path):
    path.write_text(json.dumps({"metadata": {"total_size": 9}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (text(b""), "is empty"),
        (
            text(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"),
            "a Git LFS pointer .*`git lfs pull`",
        ),
        (text(b"\n<!DOCTYPE html><html><body>404</body></html>"), "an HTML or XML page.*download the weights again"),
        (text(b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), "an HTML or XML page"),
        (index, "the index of weights in several files"),
        (text(b'{"epoch": 3}'), "a JSON file"),
        (text(b"not weights\n"), "a text file"),
        (lambda path: path.write_bytes(pickle.dumps(WEIGHTS["weight"].numpy())), "a pickle that torch.save did not write"),
        (
            lambda path: torch.save(WEIGHTS, path, pickle_protocol=4),
            "a pickle that torch.save did not write as it does by def",
        ),
        (lambda path: path.write_bytes(gzip.compress(b"weights")), "a compressed file; unpack it"),
        (as_tar, "a tar archive; unpack it"),
        (as_zip, "a zip archive of readme.txt, model_best.pth, not of torch.save; unpack it"),
        (as_npz, "a zip archive of weight.npy, not of torch.save"),
        (as_torch_script, r"a TorchScript program; .*torch\.jit\.load\(FILE\)\.state_dict\(\)"),
        (text(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file, as Keras writes"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "a NumPy array without"),
        (as_onnx, "an ONNX program"),
        (text(b"GGUF\3\0\0\0"), "a file of llama.cpp"),
        (lambda path: Image.new("L", (4, 4)).save(path, format="PNG"), "an image"),
        (lambda path: Image.new("L", (4, 4)).save(path, format="TIFF"), "an image"),
        (text(bytes(4096)), r"no weights file: it begins with b'\\x00"),
        (
            cut(lambda path: torch.save(WEIGHTS, path)),
            r"damaged or incomplete \(its zip archive has no end\); copy or download",
        ),
        (cut(lambda path: torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)), "damaged or incomplete"),
        (cut(lambda path: save_file(WEIGHTS, path)), r"damaged or incomplete \(.*; copy or download"),
    ],
)
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_each_kind_has_its_sentence_under_any_name(write, sentence, name, tmp_path):
    write(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name}: (is )?{sentence}") as caught:
        read_state_file(tmp_path / name)
    assert "\n" not in str(caught.value)
