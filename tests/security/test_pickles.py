"""A pickle that would create a file, under every name and to every reader of the package: no file appears."""

import ast
import io
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.reliability import fuzz, targets
from fastpatent.commands import main
from fastpatent.engine.checkpoint import load_checkpoint
from fastpatent.errors import FastPatentError
from fastpatent.evaluation.submission import check_submission
from fastpatent.evaluation.vocabulary import load_vocabulary
from fastpatent.models.state_file import read_state_file
from tests.small_sets import small_config, write_drawing

PACKAGE = Path(__file__).resolve().parents[2] / "fastpatent"


class Creates:
    """An object whose pickle creates a file where it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def payloads(path):
    """Yield (what it is, bytes): pickles that create `path`, alone and in the files that libraries put them into."""
    evil = Creates(path)
    for protocol in (0, 2, 4):
        yield f"pickle {protocol}", pickle.dumps(evil, protocol)
    for whole, older in (({"state_dict": {"w": torch.zeros(2)}, "iteration": 1, "x": evil}, flag) for flag in (False, True)):
        file = io.BytesIO()
        torch.save(whole, file, _use_new_zipfile_serialization=not older)
        yield f"torch.save, {'older' if older else 'zip'}", file.getvalue()
    for save in (np.save, lambda file, array: np.savez(file, features=array, paths=array)):
        file = io.BytesIO()
        save(file, np.array([evil], object))
        yield "NumPy", file.getvalue()


def test_the_pickles_would_create_the_file(tmp_path):
    for what, data in payloads(tmp_path / "ran"):
        file = io.BytesIO(data)
        if what.startswith("torch"):
            torch.load(file, weights_only=False)
        elif what == "NumPy":
            found = np.load(file, allow_pickle=True)
            found["features"] if hasattr(found, "files") else found
        else:
            pickle.loads(data)
        (tmp_path / "ran").rmdir()


SUFFIXES = "", *".pth .pt .bin .ckpt .tar .pth.tar .zip .npy .npz .pkl .safetensors .onnx .json".split()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_weights_file_runs_a_pickle(suffix, tmp_path):
    path, ran = tmp_path / f"x{suffix}", tmp_path / "ran"
    for what, data in payloads(ran):
        path.write_bytes(data)
        for read in (read_state_file, load_checkpoint):
            with pytest.raises(FastPatentError, match=r"x.*: (is|refused: it needs|holds|are)"):
                read(path)
            assert not ran.exists(), what


def convert(folder, path):
    return ["convert", str(path), str(folder / "out.safetensors")]


def of_network(folder, path, *words):
    more = ["MODEL.BACKBONE.DEPTH", "18x", "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", str(path), *words]
    return ["extract", "--images", str(folder / "drawings"), "--output", str(folder / "f.npz"), *more]


def of_pair(folder, path):
    return of_network(folder, folder / "net.pth", "MODEL.META_ARCHITECTURE", "PatentCLIP", "MODEL.CLIP.NAME", str(path))


COMMANDS = {  # the file that is a pickle, and the words of a command that reads it
    "convert": ("x.pth", convert),
    "average": ("x.pth", lambda folder, path: ["average", str(folder / "soup.pth"), str(folder / "net.pth"), str(path)]),
    "weights": ("x.pth", of_network),
    "configuration": ("x.yml", lambda folder, path: ["config", "--config-file", str(path)]),
    "model of a configuration": ("x.json", of_pair),
    "extract's own output": ("f.npz", of_network),
    "export's own output": ("m.onnx", lambda _, path: ["export", "--output", str(path)]),
    "convert's own record": ("out.json", lambda folder, _: convert(folder, folder / "net.pth")),
    "archive": ("I20210105.tar", lambda folder, path: ["data", "build", str(path), "--out", str(folder / "built")]),
    "run to resume": (
        "model_final.pth",
        lambda folder, _: ["train", "--resume", "DATASETS.NAMES", "[Patent]", "OUTPUT_DIR", str(folder)],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_a_pickle(command, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    name, words = COMMANDS[command]
    write_drawing(tmp_path / "drawings/a.png", 1)
    torch.save({"model": {"backbone.conv1.weight": torch.zeros(2)}}, tmp_path / "net.pth")
    for what, data in payloads(tmp_path / "ran"):
        (tmp_path / name).write_bytes(data)
        assert main(words(tmp_path, tmp_path / name)) == 1, what
        assert not (tmp_path / "ran").exists(), what
        said = capfd.readouterr().err
        assert "error: " in said and name in said, what


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in targets.TARGETS if name != "overrides"])
def test_no_reader_of_the_package_runs_a_pickle(name, tmp_path):
    """The readers are those that are fuzzed; each file of a case in turn is a pickle."""
    folder, ran = tmp_path / "case", tmp_path / "ran"
    folder.mkdir()
    target = targets.TARGETS[name](folder)
    by_kind = {(frozenset(case.files), *case.words): case for case in fuzz.drawn(target.cases, 30, f"pickles {name}")}
    for case in by_kind.values():
        for place in case.files:
            for what, data in payloads(ran):
                outcome = fuzz.read_case(target, case._replace(files={**case.files, place: data}), folder)
                assert outcome.kind != fuzz.FAILED, (place, what, outcome.text)
                assert not ran.exists(), (place, what)


def test_what_is_read_beside_runs_no_pickle(tmp_path):
    cfg = small_config()
    cfg.DESCRIPTOR.NAME, cfg.MODEL.WEIGHTS = "SIFTFisher", str(tmp_path / "vocabulary.safetensors")
    for what, data in payloads(tmp_path / "ran"):
        for name, read in (
            ("result.npy", lambda: check_submission(tmp_path)),
            ("result.zip", lambda: check_submission(tmp_path)),
            ("vocabulary.safetensors", lambda: load_vocabulary(cfg, 0)),
        ):
            (tmp_path / name).write_bytes(data)
            with pytest.raises(FastPatentError):
                read()
            (tmp_path / name).unlink()
            assert not (tmp_path / "ran").exists(), (name, what)


UNSAFE = {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}


def test_the_package_calls_nothing_that_unpickles():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            call, options = ast.unparse(node.func), {option.arg: ast.unparse(option.value) for option in node.keywords}
            place = f"{path}:{node.lineno}: {call}"
            assert call.partition(".")[0] not in UNSAFE and not call.endswith((".read_pickle", ".unsafe_load")), place
            assert call != "torch.load" or options.get("weights_only") == "True", place
            assert options.get("allow_pickle", "False") == "False", place
            assert call != "yaml.load" or re.search("Safe|Bounded", ast.unparse(node)), place
