"""The SQLite file of shortlists, saved searches and uploads."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastpatent.errors import DataError
from fastpatent.search.server import workspace as module
from fastpatent.search.server.workspace import Missing, Unusable, Workspace


@pytest.fixture
def path(tmp_path):
    return tmp_path / "INDEX.workspace.sqlite"


@pytest.fixture
def workspace(path):
    workspace = Workspace(path)
    yield workspace
    workspace.close()


def patents(workspace, number):
    return [entry.patent for entry in workspace.entries(number)]


def test_shortlists_survive_a_restart(path):
    first = Workspace(path)
    number = first.create_shortlist("  Kettles ")
    assert first.add(number, "D1", "round\nlid", "/?drawing=patent%3AD9")
    assert not first.add(number, "D1", "again")
    first.add(number, "D2")
    first.set_note(number, "D2", "<b>'; DROP TABLE entry; --")
    first.close()
    second = Workspace(path)
    assert [(found.name, found.count) for found in second.shortlists()] == [("Kettles", 2)]
    entries = [(entry.patent, entry.note, entry.address) for entry in second.entries(number)]
    assert entries == [("D1", "round\nlid", "/?drawing=patent%3AD9"), ("D2", "<b>'; DROP TABLE entry; --", "")]
    second.rename_shortlist(number, "Pots")
    assert second.shortlist(number).name == "Pots"
    second.delete_shortlist(number)
    assert second.shortlists() == [] and second.entries(number) == []
    assert second.create_shortlist("new") != number, "old links must not lead to another list"
    assert os.stat(path).st_mode & 0o077 == 0, "designs that are not public are for the owner alone"
    second.close()


@pytest.mark.parametrize(
    ("name", "places", "order"), [("a", 1, "bacd"), ("d", -9, "dabc"), ("b", 9, "acdb"), ("c", 0, "abcd")]
)
def test_order(workspace, name, places, order):
    number = workspace.create_shortlist("order")
    for patent in "abcd":
        workspace.add(number, patent)
    workspace.move(number, name, places)
    workspace.remove(number, order[1])
    workspace.add(number, "e")
    assert "".join(patents(workspace, number)) == order[0] + order[2:] + "e"


def test_saved_searches(workspace):
    first = workspace.save_search("one", "/?text=a", 3, ["D1", "D2"], "for the file")
    second = workspace.save_search("two", "/?text=b", 4, [])
    assert [found.id for found in workspace.saved()] == [second, first]
    found = workspace.saved_search(first)
    assert found[1:6] == ("one", "for the file", "/?text=a", 3, ["D1", "D2"])
    workspace.delete_search(first)
    with pytest.raises(Missing, match=f"no saved search {first}"):
        workspace.saved_search(first)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.add(7, "D1"),
        lambda it: it.set_note(7, "D1", ""),
        lambda it: it.remove(7, "D1"),
        lambda it: it.move(7, "D1", 1),
        lambda it: it.rename_shortlist(7, "x"),
        lambda it: it.delete_shortlist(7),
        lambda it: it.shortlist(7),
        lambda it: it.delete_search(7),
    ],
)
def test_what_is_not_there_is_missing(workspace, change):
    with pytest.raises(Missing):
        change(workspace)


def test_bounds(workspace, monkeypatch):
    number = workspace.create_shortlist("x" * module.LONGEST_NAME)
    workspace.add(number, "D1")
    for change in (
        lambda: workspace.create_shortlist(" "),
        lambda: workspace.create_shortlist("x" * (module.LONGEST_NAME + 1)),
        lambda: workspace.create_shortlist("half \ud800"),
        lambda: workspace.set_note(number, "D1", "x" * (module.LONGEST_NOTE + 1)),
        lambda: workspace.save_search("x", "/" * (module.LONGEST_ADDRESS + 1), 1, []),
    ):
        with pytest.raises(DataError, match="is empty|characters, at most|half a character") as error:
            change()
        assert not isinstance(error.value, Unusable)
    for name in ("MOST_SHORTLISTS", "MOST_ENTRIES", "MOST_SAVED"):
        monkeypatch.setattr(module, name, 1)
    workspace.save_search("x", "/", 1, [])
    for change in (
        lambda: workspace.create_shortlist("y"),
        lambda: workspace.add(number, "D2"),
        lambda: workspace.save_search("y", "/", 1, []),
    ):
        with pytest.raises(DataError, match="no more are possible"):
            change()
    assert not workspace.add(number, "D1"), "it is there already"


def test_uploads_are_bounded_and_those_in_use_stay(path):
    workspace = Workspace(path, uploads_mb=1)
    files = [bytes([letter]) * 300_000 for letter in range(7)]
    ids = [workspace.add_upload(file, 10, 20, f"{letter}.png") for letter, file in enumerate(files[:3])]
    assert ids[0] == hashlib.blake2b(files[0], digest_size=16).hexdigest()
    assert workspace.upload(ids[1]) == files[1] and workspace.upload_name(ids[1]) == "1.png"
    workspace.save_search("s", f"/?drawing=upload%3A{ids[1]}%3Bmirror", 1, [])
    number = workspace.create_shortlist("l")
    workspace.add(number, "D1", address=f"/?text=a&minus=upload:{ids[2]}")
    workspace.add_upload(files[3], 1, 1, "3.png")
    last = workspace.add_upload(files[4], 1, 1, "4.png")
    assert [workspace.upload(each) is None for each in ids] == [True, False, False]
    workspace.save_search("t", f"/?drawing=upload%3A{last}", 1, [])
    with pytest.raises(DataError, match="--uploads-mb"):
        workspace.add_upload(files[5], 1, 1, "5.png")
    assert workspace.upload(last) == files[4] and workspace.upload("0" * 32) is None
    with pytest.raises(DataError, match="1,000,001 bytes"):
        workspace.add_upload(b"x" * 1_000_001, 1, 1, "large.png")
    workspace.close()


def test_an_upload_that_comes_again_is_new(path):
    workspace = Workspace(path, uploads_mb=1)
    first, second = (workspace.add_upload(letter * 450_000, 1, 1, "") for letter in (b"a", b"b"))
    assert workspace.add_upload(b"a" * 450_000, 1, 1, "again.png") == first
    workspace.add_upload(b"c" * 450_000, 1, 1, "")
    assert workspace.upload(second) is None and workspace.upload_name(first) == "again.png"
    workspace.close()


def test_threads_and_processes_write_at_once(path, workspace):
    """Every addition is there once, in an order without gaps."""
    number = workspace.create_shortlist("busy")
    code = "import sys; from fastpatent.search.server.workspace import Workspace; w = Workspace(sys.argv[1])\n"
    code += f"for i in range(20): w.add({number}, f'process {{i}}')"
    process = subprocess.Popen([sys.executable, "-c", code, path])
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda i: workspace.add(number, f"thread {i // 2}"), range(80)))
    assert process.wait(60) == 0
    assert sum(added) == 40
    expected = {f"thread {i}" for i in range(40)} | {f"process {i}" for i in range(20)}
    found = patents(workspace, number)
    assert len(found) == 60 and set(found) == expected
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(DISTINCT place) FROM entry").fetchone() == (60,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_failed_change_leaves_nothing(workspace, monkeypatch):
    number = workspace.create_shortlist("x")
    workspace.add(number, "D1")
    monkeypatch.setattr(module, "_now", lambda: "\ud800")
    with pytest.raises(DataError):
        workspace.add(number, "D2")
    monkeypatch.undo()
    assert workspace.add(number, "D2") and patents(workspace, number) == ["D1", "D2"]


@pytest.mark.parametrize(("setting", "reason"), [("max_page_count = 1", "full"), ("query_only = ON", "readonly")])
def test_a_full_disk_and_a_read_only_file_are_sentences(path, workspace, setting, reason):
    number = workspace.create_shortlist("x")
    workspace._database.execute(f"PRAGMA {setting}")  # SQLite raises the same as for a disk and a file
    with pytest.raises(Unusable, match=reason) as error:
        workspace.add_upload(b"x" * 100_000, 1, 1, "x.png")
    assert str(path) in str(error.value)
    assert workspace.shortlist(number).name == "x"


@pytest.mark.parametrize("kind", ["text", "database", "newer", "folder", "link", "nowhere"])
def test_files_that_are_no_workspace_are_refused_and_not_changed(path, kind):
    if kind == "text":
        path.write_text("my notes, which are long enough for a header of SQLite\n" * 9)
    elif kind == "database":
        with sqlite3.connect(path) as raw:
            raw.execute("CREATE TABLE mine (x)")
        raw.close()
    elif kind == "newer":
        Workspace(path).close()
        with sqlite3.connect(path) as raw:
            raw.execute(f"PRAGMA user_version = {len(module.MIGRATIONS) + 1}")
        raw.close()
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(path.parent / "target")
    else:
        path = path.parent / "missing" / "x.sqlite"
    before = path.read_bytes() if path.is_file() else None
    sentence = {"database": "is no file of shortlists", "newer": "newer fastpatent", "nowhere": "--workspace"}
    with pytest.raises(DataError, match=sentence.get(kind, str(path))) as error:
        Workspace(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not (path.parent / "target").exists()
    if before is not None:
        assert path.read_bytes() == before
