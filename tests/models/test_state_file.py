"""Weights files of every wrapper, and those that are refused."""

import io
import os
import pickle
import random
from collections import Counter, OrderedDict

import pytest
import torch
from safetensors.torch import save, save_file

from fastpatent.errors import CheckpointError
from fastpatent.models.state_file import read_state_file

STATE = {f"layer{number:02}.weight": torch.full((2, 3), float(number)) for number in range(12)}
OTHER, THIRD = ({name: value + more for name, value in STATE.items()} for more in (1, 2))
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}

# What training code writes around a state dict, and the place of the one to take.
WRAPPED = {
    "state dict": (STATE, ""),
    "ordered": (OrderedDict(STATE), ""),
    "parameters": ({name: torch.nn.Parameter(value, requires_grad=False) for name, value in STATE.items()}, ""),
    "model": ({"model": STATE, "epoch": 7}, "model"),
    "any key": ({"generator": STATE, "optimizer": OPTIMIZER, "rng": torch.zeros(9)}, "generator"),
    "nested": ({"state_dict": {"model": {"net": STATE}}}, "state_dict.model.net"),
    "list of one": ([STATE], "0"),
    "tuple": ((STATE, {"epoch": 1}), "0"),
    "beside None and a number": ({"model": {**STATE, "foo": None, "scale": 2.0}}, "model"),
    "average": ({"model": OTHER, "model_ema": STATE}, "model_ema"),
    "average of timm": ({"state_dict_ema": STATE, "state_dict": OTHER}, "state_dict_ema"),
    "average in another wrapper": ({"ema": {"model": STATE, "decay": 0.9}, "model": OTHER}, "ema.model"),
    "teacher": ({"student": OTHER, "teacher": STATE}, "teacher"),
    "usual key": ({"first": OTHER, "model": STATE, "trained": THIRD}, "model"),
    "one under two keys": ({"a": STATE, "b": STATE}, "a"),
    "average without names": ({"net": STATE, "ema": {"shadow_params": list(STATE.values())}}, "net"),
}


def bits(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def same(state):
    return list(state) == list(STATE) and all(torch.equal(state[name], value) for name, value in STATE.items())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", WRAPPED)
def test_every_wrapper_of_a_state_dict_is_read(name, zipped, tmp_path):
    content, place = WRAPPED[name]
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    file = read_state_file(tmp_path / "x.pth")
    assert same(file.state) and file.place == place
    skipped = (
        [key for key, value in content.items() if any(value is other for other in (OTHER, THIRD))]
        if isinstance(content, dict)
        else []
    )
    assert list(file.others) == skipped and all(other in file.choice for other in skipped)
    assert bool(file.choice) == bool(skipped)


def test_the_rest_of_a_checkpoint_is_returned(tmp_path):
    rest = {"epoch": 7, "scheduler": {"last": 3}}
    torch.save({"state_dict": {"model": STATE, "version": 2}, **rest}, tmp_path / "a.pth")
    assert read_state_file(tmp_path / "a.pth").beside == {**rest, "version": 2}


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.SAFETENSORS", "x"])
def test_the_content_counts_not_the_suffix(name, tmp_path):
    for content in (bits(STATE), bits(STATE, _use_new_zipfile_serialization=False), save(STATE)):
        (tmp_path / name).write_bytes(content)
        assert same(read_state_file(tmp_path / name).state)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (list(STATE.values()), r"holds no tensors under names: list of 12 \(0: Tensor, 1: Tensor, 2: Tensor, ...\); save"),
        ({"epoch": 3, "lr": 0.1}, r"holds no tensors under names: dict of 2 \(epoch: int, lr: float\)"),
        (OPTIMIZER, r"holds no tensors under names: dict of 2 \(state: dict, param_groups: list\)"),
        (torch.zeros(3), "holds no tensors under names: Tensor"),
        ({}, "holds no tensors under names: dict"),
        ({"encoder": STATE, "decoder": OTHER}, r"holds several sets of parameters \(encoder, decoder\); save the one"),
        ({"x.weight": torch.empty(2, device="meta")}, "holds tensors that are quantised, sparse or without values"),
        ({"x.weight": torch.eye(2).to_sparse()}, "holds tensors that are quantised, sparse"),
    ],
)
def test_what_is_not_one_state_dict_is_named(content, sentence, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=rf"x\.pth: {sentence}"):
        read_state_file(tmp_path / "x.pth")


def test_a_dict_that_holds_itself_ends(tmp_path):
    content = {"epoch": 3}
    content["self"] = content
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        read_state_file(tmp_path / "x.pth")


class Custom:
    """An object that only code could rebuild."""


class Calls:
    """A pickle that calls a function when it is read."""

    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


def test_a_pickle_that_needs_a_class_or_function_is_refused_by_its_name(tmp_path):
    touch = f"touch {tmp_path / 'touched'}"
    for content, wanted in (
        (Custom(), r"\S+\.Custom"),
        ({"model": STATE, "args": Custom()}, r"\S+\.Custom"),
        ({"state_dict": {}, "hook": Calls(print, "x")}, "print"),
        ({"state_dict": STATE, "hook": Calls(os.system, touch)}, r"(posix|nt)\.system"),
        ({"state_dict": STATE, "hook": Calls(eval, f"__import__('os').system({touch!r})")}, "eval"),
        ({"state_dict": {}, "hook": Calls(pickle.loads, b"")}, r"_?pickle\.loads"),
    ):
        for zipped in (True, False):
            torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
            sentence = rf"x\.pth: refused: it needs {wanted},.*save model\.state_dict\(\) alone$"
            with pytest.raises(CheckpointError, match=sentence):
                read_state_file(tmp_path / "x.pth")
    assert not (tmp_path / "touched").exists()


def test_any_bytes_give_weights_or_a_sentence(tmp_path):
    """Whole files cut, changed and shifted at random; those that stay readable are few."""
    content = {"model": STATE, "optimizer": OPTIMIZER, "seen": Counter("aab")}
    bases = [bits(content), bits(content, _use_new_zipfile_serialization=False), save(STATE)]
    generator, outcomes = random.Random(0), Counter()
    for number in range(600):
        data = bytearray(bases[number % 3])
        if number % 4 == 0:
            del data[generator.randrange(len(data)) :]
        elif number % 4 == 1:
            data[:0] = generator.randbytes(generator.randrange(1, 9))
        else:
            for _ in range(generator.choice((1, 2, 16))):
                data[generator.randrange(len(data))] = generator.randrange(256)
        (tmp_path / "x.pth").write_bytes(data)
        try:
            outcomes["read"] += bool(read_state_file(tmp_path / "x.pth").state)
        except CheckpointError as error:
            outcomes["refused"] += 1
            assert str(error).startswith(str(tmp_path / "x.pth")) and "\n" not in str(error)
    assert outcomes["refused"] > 400 and outcomes["read"] > 20


def test_files_that_cannot_be_read_are_named(tmp_path):
    save_file(STATE, tmp_path / "x.safetensors")
    for name, sentence in (
        ("missing.pth", "no such weights file"),
        ("n" * 300, "no such weights file"),
        ("", "is a folder; name the weights file in it"),
    ):
        with pytest.raises(CheckpointError, match=sentence):
            read_state_file(tmp_path / name)


def test_a_changed_bit_of_a_tensor_is_noticed(tmp_path):
    """torch.load does not compare the checksums that torch.save writes."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.arange(999)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(999).numpy().tobytes()) + 4000] ^= 64
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)["a"], torch.arange(999))
    with pytest.raises(CheckpointError, match="a.pth: is damaged: .* does not match its checksum"):
        read_state_file(path)
