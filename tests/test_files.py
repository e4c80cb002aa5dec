"""Files that are written whole, and outputs that replace nothing foreign."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from fastpatent.errors import DataError
from fastpatent.files import Ledger, check_output, make_folder, write_atomically


def test_a_file_and_the_name_of_it_are_on_the_disk_before_the_call_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    write_atomically(tmp_path / "a.txt", lambda path: path.write_text("a"))
    assert (tmp_path / "a.txt").read_text() == "a"
    assert [Path(path).parent for path in synced[:1]] == [tmp_path] and synced[1:] == [str(tmp_path)]


def test_only_files_of_the_same_command_are_replaced(tmp_path):
    def ours(path):
        return json.loads(path.read_text())["mark"] == 1

    for content, replaced in (('{"mark": 1}', True), ('{"mark": 2}', False), ("no JSON", False)):
        (tmp_path / "a.json").write_text(content)
        if replaced:
            assert check_output(tmp_path / "a.json", "--output", ours) == tmp_path / "a.json"
            continue
        with pytest.raises(DataError, match="^--output .*a.json: this file is there already and was not written by this"):
            check_output(tmp_path / "a.json", "--output", ours)
    for name, sentence in (("", "is a folder; name a file"), ("nowhere/a.json", "there is no folder")):
        with pytest.raises(DataError, match=sentence):
            check_output(tmp_path / name, "--output", ours)
    assert check_output(tmp_path / "new.json", "--output", ours) == tmp_path / "new.json"


def test_a_ledger_knows_what_it_wrote_and_nothing_else(tmp_path):
    place, path = tmp_path / "ledger.json", tmp_path / "list.txt"
    Ledger(place).check([path], "build")
    for text in ("first", "second"):
        Ledger(place).write(path, lambda temporary, text=text: temporary.write_text(text))
        Ledger(place).check([path], "build")
    assert json.loads(place.read_text()) == {"list.txt": [hashlib.sha256(b"second").hexdigest()]}
    path.write_text("of another origin")
    with pytest.raises(DataError, match=f"^{path}: was not written by `build`, or was changed since"):
        Ledger(place).check([path], "build")
    for text in ("{", "[1]", '{"list.txt": true}', "[" * 100_000):
        place.write_text(text)
        with pytest.raises(DataError, match=f"^{place}: cannot be read"):
            Ledger(place)


def test_a_kill_at_any_moment_of_a_write_disowns_nothing(tmp_path, monkeypatch):
    place, path = tmp_path / "ledger.json", tmp_path / "list.txt"
    Ledger(place).write(path, lambda temporary: temporary.write_text("old"))
    replace, calls = os.replace, []
    for stop in range(3):  # renames: the ledger, the list, the ledger

        def killed(source, target, stop=stop):
            if len(calls) == stop:
                raise KeyboardInterrupt
            calls.append(target)
            replace(source, target)

        calls.clear()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(os, "replace", killed)
            Ledger(place).write(path, lambda temporary, stop=stop: temporary.write_text(f"new {stop}"))
        Ledger(place).check([path], "build")


def test_folders_are_made_with_those_above(tmp_path):
    assert make_folder(tmp_path / "a/b").is_dir() and make_folder(tmp_path / "a/b") == tmp_path / "a/b"
