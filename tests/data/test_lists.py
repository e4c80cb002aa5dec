"""List files in all the forms that occur."""

import os
import unicodedata

import pytest

from fastpatent.data.lists import Listing, check_labels, listed_samples, read_lines
from fastpatent.errors import DataError


def test_a_last_integer_is_a_label(tmp_path):
    for line, relative in [
        ("a/x.png 12", "a/x.png"),
        ("a/x.png", "a/x.png"),
        ("a/x.png  7  ", "a/x.png"),
        ("a/x.png\t7", "a/x.png"),
        ("a/x.png -1", "a/x.png"),
        ("my designs/fig 1.png 3", "my designs/fig 1.png"),
        ("my designs/fig 1.png", "my designs/fig 1.png"),
        ("a/fig two.png", "a/fig two.png"),
        ("a/x.png 1.5", "a/x.png 1.5"),
        ("./a//b/../x.png 1", "a/x.png"),
        ("a/.b/x.png 1", "a/.b/x.png"),
        ("12", "12"),
    ]:
        path = tmp_path / "list.txt"
        path.write_text(line)
        assert list(read_lines(path)) == [(1, relative)], f"{line=}, {relative=}"


def test_blank_lines_line_ends_and_byte_order_mark(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa/ä.png 1\r\n\r\n   \nb/y.png 2\rc/z.png 3".encode())
    assert list(read_lines(path)) == [(1, "a/ä.png"), (4, "b/y.png"), (5, "c/z.png")]


def test_paths_that_lead_out_are_refused(tmp_path):
    for line in ["../x.png 1", "/etc/x.png", "a/../../x.png 3", "a/../..", ".."]:
        path = tmp_path / "list.txt"
        path.write_text(f"a/x.png 0\n{line}\n")
        with pytest.raises(DataError, match=r"list\.txt:2: .* leads out"):
            list(read_lines(path))


def test_lists_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    with pytest.raises(DataError, match=r"list\.txt: is a Git LFS pointer to a list that is not here"):
        list(read_lines(path))
    path.write_bytes(b"a\0b")
    with pytest.raises(DataError, match="zero bytes"):
        list(read_lines(path))
    with pytest.raises(DataError, match="absent.txt: the list cannot be read: No such file"):
        list(read_lines(tmp_path / "absent.txt"))


def test_names_that_are_not_utf_8_are_found(tmp_path):
    name = os.fsencode(tmp_path) + b"/d\xff/x\xfe.png"
    os.mkdir(os.path.dirname(name))
    with open(name, "wb"):
        path = tmp_path / "list.txt"
    path.write_bytes(b"d\xff/x\xfe.png 3\n")
    (sample,) = listed_samples(read_lines(path), path, tmp_path)
    assert os.fsencode(sample.path) == name and os.fsencode(sample.identity) == b"d\xff"


def test_identity_is_the_folder_never_the_label(tmp_path):
    for name in ("I1/USD1/x.png", "I1/USD2/x.png", "y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    lines = [(1, "I1/USD1/x.png"), (2, "I1/USD2/x.png"), (3, "y.png")]
    samples = listed_samples(lines, "list.txt", tmp_path)
    assert [sample.identity for sample in samples] == ["USD1", "USD2", tmp_path.name]
    assert [sample.path for sample in samples] == [str(tmp_path / relative) for _, relative in lines]


def test_relative_folders_give_absolute_paths(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert listed_samples([(1, "a/x.png")], "list.txt", ".")[0].path == str(tmp_path / "a/x.png")


def test_the_first_missing_drawing_is_named_where_drawings_are_verified(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").write_bytes(b"")
    lines = [(1, "a/x.png"), (4, "a/y.png"), (5, "b/z.png")]
    with pytest.raises(DataError, match=r"list\.txt:4: no such drawing: .*/a/y\.png"):
        listed_samples(lines, "list.txt", tmp_path)
    with pytest.raises(DataError, match=r"list\.txt:5: no such drawing: .*/b/z\.png"):
        listed_samples(lines[::2], "list.txt", tmp_path)
    assert len(listed_samples(lines, "list.txt", tmp_path, verify=False)) == 3


def test_an_empty_list_is_refused_where_drawings_are_verified(tmp_path):
    with pytest.raises(DataError, match="list.txt: the list is empty"):
        listed_samples([], "list.txt", tmp_path)
    assert listed_samples([], "list.txt", tmp_path, verify=False) == []


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    for number in range(50):
        (tmp_path / f"{number}.png").write_bytes(b"")
    asked = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: asked.append(folder) or listdir(folder))
    listing = Listing()
    assert all(listing.find(f"{tmp_path}/{number}.png") == f"{tmp_path}/{number}.png" for number in range(50))
    assert listing.find(f"{tmp_path}/50.png") is None and listing.find(f"{tmp_path}/none/50.png") is None
    assert asked == [str(tmp_path), f"{tmp_path}/none"]


@pytest.mark.parametrize("listed, on_disk", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_differ_in_their_unicode_form_alone_are_found(tmp_path, listed, on_disk):
    names = ["Stühle/Rücken/é.png", "Stühle/Rücken/x.png", "plain/ü.png"]
    for name in names:
        path = tmp_path / unicodedata.normalize(on_disk, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    lines = [(number, unicodedata.normalize(listed, name)) for number, name in enumerate(names, 1)]
    samples = listed_samples(lines, "list.txt", tmp_path)
    assert [sample.path for sample in samples] == [f"{tmp_path}/{unicodedata.normalize(on_disk, name)}" for name in names]
    assert {sample.identity for sample in samples} == {unicodedata.normalize(on_disk, "Rücken"), "plain"}
    for absent in ("Stühle/Rücken/ä.png", "Stühle/Hölzer/x.png"):
        with pytest.raises(DataError, match="no such drawing"):
            listed_samples([(1, absent)], "list.txt", tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match=rf"^{tmp_path}/a: the folder cannot be read: Permission denied$"):
        listed_samples([(1, "a/x.png")], "list.txt", tmp_path)


def test_labels_that_deny_the_folders_are_refused(tmp_path):
    """A flat folder whose labels alone tell the designs apart would be a single identity, and every ranking perfect."""
    path = tmp_path / "list.txt"
    path.write_text("a/x.png 1\na/y.png 1\n\nb/x.png 1\nc d/x.png 2\nplain/x.png\nplain/y.png 3\n")
    check_labels(path)
    path.write_text("a/x.png 1\nflat/x.png 2\nflat/y.png 2\nflat/z.png 3\n")
    with pytest.raises(DataError, match=r"list\.txt:4: flat/z.png has the label 3, and line 2 has 2 for the same folder"):
        check_labels(path)


def test_no_real_list_denies_its_folders(shared):
    paths = [path for path in (shared / "deeppatent").glob("*.txt") if "patent" in path.name]
    assert len(paths) > 4
    for path in paths:
        check_labels(path)
