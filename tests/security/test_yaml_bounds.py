"""Configurations made to exhaust time or memory, or to end in a traceback: one short ConfigError at once."""

import os
import time
from pathlib import Path

import pytest

from fastpatent.config import load_config
from fastpatent.config.bounded_yaml import BoundedLoader
from fastpatent.config.values import coerce
from fastpatent.config.yaml_files import FILES, PROBLEMS, SEARCHED, YAML_BYTES
from fastpatent.engine.resume import changed_settings
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.evaluation.benchmark_systems import read_systems


def aliases(levels):
    """Lists of lists, each ten times that before it."""
    rows = [f"b{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(["SEED: &a0 [1]", *rows])


MERGED = "MODEL: &b0 {<<: &a {DEVICE: cpu}}\n" + "".join(
    f"MODEL{level}: &b{level} {{<<: [{', '.join([f'*b{level - 1}'] * 9)}]}}\n" for level in range(1, 9)
)
NAME = "a character that no file name has"
TEXTS = {
    "aliases": (aliases(10), "an alias (*) of more than a short value"),
    "merge keys": (MERGED, "an alias (*) of more than a short value"),
    "alias of itself": ("SEED: &a [*a]", "an alias (*) of more than a short value"),
    "aliases of a long text": ("OUTPUT_DIR: &a " + "x" * 9000 + "\nMODEL: {LOSSES: {NAME: [*a, *a]}}", "an alias (*)"),
    "lists": ("SEED: " + "[" * 100_000, "nested more than 30 deep"),
    "sections": ("{a: " * 50_000, "nested more than 30 deep"),
    "keys that are lists": ("? - " * 5000, "nested more than 30 deep"),
    "a long list": ("SEED: [" + "1," * 120_000 + "]", "more than 10,000 keys and values"),
    "many keys": ("".join(f"a{number}: 1\n" for number in range(20_000)), "more than 10,000 keys and values"),
    "one key often": ("SEED: 1\n" * 4000, "and 39"),
    "unknown keys": ("".join(f"SEEDE{number}: 1\n" for number in range(4000)), "and "),
    "a long key": ("? " + "a" * 200_000 + "\n: 1", "a value of 200,000 characters"),
    "a long text": ("OUTPUT_DIR: [" + "x" * 200_000 + "]", "a value of 200,000 characters"),
    "controls": ('SEED: "' + "\\a" * 9000 + '"', "expects a whole number, got the text '\\x07"),
    "a file": ("#" * (YAML_BYTES + 1), "has more than 262,144 bytes"),
    "digits": ("SEED: " + "1" * 5000, "a value of 5,000 characters, more than 100"),
    "hexadecimal": ("SOLVER: {BASE_LR: 0x" + "f" * 1000 + "}", "a value of 1,002 characters"),
    "sexagesimal": ("SEED: 1" + ":1" * 100_000, "a value of 200,001 characters"),
    "sexagesimal text": ('SEED: !!int "1' + ":1" * 100_000 + '"', "a value of 200,001 characters"),
    "infinite": ("SEED: 1.0e+9999", "got the number inf"),
    "no int64": ("SEED: 9223372036854775808", "got the number 9223372036854775808"),
    "no float": ("SOLVER: {BASE_LR: '0x" + "f" * 5000 + "'}", "one that is too large: a number of thousands of digits"),
    "a list of digits": ("MODEL: {CLIP: {LOCK: '[0x" + "f" * 5000 + "]'}}", "got a number of thousands of digits"),
    "a list in a text": ("SEED: '" + "(" * 5000 + "'", "got the text '((("),
    "a long tag": ("%TAG !a! " + "x" * 190_000 + "\n---\nSEED: [" + "!a!b 1," * 9000 + "]", "a tag of more than 100"),
    "a merge key": ("MODEL: {<<: {DEVICE: cpu}}", "MODEL.<< is no key"),
    "a tag of Python": ("OUTPUT_DIR: !!python/object/apply:os.system [id]", "could not determine a constructor"),
    "no integer": ('SEED: !!int ""', "not valid YAML"),
    "no truth": ("SEED: !!bool x", "not valid YAML"),
    "no time": ("SEED: !!timestamp abc", "not valid YAML"),
    "version": ("%YAML " + "9" * 5000 + ".1\n---\nSEED: 1", "not valid YAML"),
    "no character": ('OUTPUT_DIR: "\\UFFFFFFFF"', "not valid YAML"),
    "no character of Unicode": ('OUTPUT_DIR: "\\U00110000"', "not valid YAML"),
    "NUL": ('OUTPUT_DIR: "a\\0b"', NAME),
    "NUL in Python": ("OUTPUT_DIR: '\"a\\0b\"'", NAME),
    "surrogate": ('OUTPUT_DIR: "\\ud800"', NAME),
    "base with NUL": ('_BASE_: "a\\0b"', NAME),
    "base with surrogate": ('_BASE_: "\\ud800"', NAME),
    "a long base": ("_BASE_: " + "a" * 9000, "File name too long"),
    "a device": ("_BASE_: /dev/zero", "a.yml:1: _BASE_ names /dev/zero: is not a regular file"),
    "UTF-16": ("SEED: 1".encode("utf-16"), "not UTF-8 text"),
}


def refusal(path):
    """The message for a file that must not load, without a hang."""
    begun = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert (
        time.process_time() - begun < 10 and len(message) < 20_000 and all(len(line) < 2500 for line in message.split("\n"))
    )
    return message


@pytest.mark.parametrize("attack", TEXTS)
def test_a_text_is_one_short_error(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, message = TEXTS[attack]
    Path("a.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert message in refusal("a.yml")


def test_only_regular_files_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yml")
    Path("zero.yml").symlink_to("/dev/zero")
    with open("sparse.yml", "w") as file:
        file.truncate(2**40)
    Path("base.yml").write_text("_BASE_: pipe.yml")
    for name, message in {
        "pipe.yml": "pipe.yml: is not a regular file",
        "zero.yml": "zero.yml: is not a regular file",
        "sparse.yml": "sparse.yml: has more than 262,144 bytes",
        "base.yml": "base.yml:1: _BASE_ names pipe.yml: is not a regular file",
    }.items():
        assert refusal(name) == message


@pytest.mark.parametrize("named", [1, 50])
def test_files_are_counted_over_all_bases(named, tmp_path, monkeypatch):
    """A chain, and files that each name the next one fifty times."""
    monkeypatch.chdir(tmp_path)
    for number in range(400):
        Path(f"{number}.yml").write_text(f"_BASE_: [{f'{number + 1}.yml,' * named}]")
    Path("400.yml").write_text("SEED: 1")
    assert refusal("0.yml") == f"0.yml: _BASE_ leads to more than {FILES} files"
    assert load_config(f"{401 - FILES}.yml").SEED == 1 if named == 1 else True


def test_bases_that_are_missing_are_counted_too(tmp_path, monkeypatch):
    """For each the folder is searched, of however many files it is."""
    searched = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastpatent.config.yaml_files._nearest", lambda path, **_: searched.append(path) or "")
    Path("a.yml").write_text(f"_BASE_: [{', '.join(f'{number}.yml' for number in range(9000))}]")
    message = refusal("a.yml")
    assert len(searched) < FILES and f"a.yml: _BASE_ leads to more than {FILES} files" in message
    assert len(message.split("\n")) <= PROBLEMS + 1


def test_a_folder_is_searched_up_to_a_number_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compared = []
    monkeypatch.setattr(
        "fastpatent.config.yaml_files.get_close_matches", lambda name, files, **_: compared.append(len(files)) or files[:1]
    )
    for number in range(SEARCHED + 9):
        Path(f"{number}.yml").touch()
    assert "x.yml: no such file; did you mean" in refusal("x.yml") and compared == [SEARCHED]


def test_bytes_are_counted_over_all_bases(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yml").write_text("#" * 100_000)
    Path("a.yml").write_text(f"_BASE_: [{'base.yml,' * 48}]")
    assert "a.yml:1: _BASE_ names base.yml: has more than 61,7" in refusal("a.yml")


def test_mistakes_are_counted_beyond_a_number(tmp_path):
    (tmp_path / "a.yml").write_text("SEED: 1\n" * (PROBLEMS + 8))
    lines = refusal(tmp_path / "a.yml").split("\n")
    assert len(lines) == PROBLEMS + 1 and lines[-1] == "and 7 more"


def test_lists_of_the_command_line_are_bounded_too():
    for text in ("[" * 5000, "[!!bool x]", "[&a [*a]]", "[" + "1," * 20_000 + "]"):
        with pytest.raises(ValueError) as caught:
            coerce(text, [1], command_line=True)
        assert len(str(caught.value)) < 1000


def test_the_settings_of_a_checkpoint_are_bounded_too():
    for text in (aliases(10), "#" * (YAML_BYTES + 1)):
        with pytest.raises(CheckpointError, match="the settings in the checkpoint cannot be read"):
            changed_settings({"config": text}, load_config())


def test_a_bad_run_of_a_benchmark_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("aliases", "pipe", "zero", "device", "good"):
        Path("logs", name).mkdir(parents=True)
        Path("logs", name, "config.yaml").write_text(aliases(10) if name == "aliases" else "{}")
        Path("logs", name, "model_best.pth").touch()
    for name in ("pipe", "zero"):
        Path("logs", name, "config.yaml").unlink()
    os.mkfifo("logs/pipe/config.yaml")
    Path("logs/zero/config.yaml").symlink_to("/dev/zero")
    Path("logs/device/model_best.pth").unlink()
    Path("logs/device/model_best.pth").symlink_to("/dev/zero")
    words = ["BENCHMARK.LOGS", "logs", "OUTPUT_DIR", "out"]
    found = {system.name: system.lacks for system in read_systems(load_config(overrides=words))}
    assert found.keys() == {"aliases", "pipe", "zero", "device", "good"} and not found["good"]
    assert "an alias (*) of more than a short value" in found["aliases"]
    assert all("is not a regular file" in found[name] for name in ("pipe", "zero", "device"))


def test_the_name_of_a_run_is_no_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "precious")
    run = Path("logs/${SECRET}")
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("{}")
    (run / "model_best.pth").touch()
    [system] = read_systems(load_config(overrides=["BENCHMARK.LOGS", "logs", "OUTPUT_DIR", "out"]))
    assert system.name == "${SECRET}" and system.cfg.MODEL.WEIGHTS == "logs/${SECRET}/model_best.pth" and not system.lacks


def test_honest_files_are_far_below_the_bounds(repository):
    for path in (repository / "configs").rglob("*.yml"):
        assert path.stat().st_size < YAML_BYTES / 10
        assert BoundedLoader(path.read_text(encoding="utf-8")).get_single_node()
