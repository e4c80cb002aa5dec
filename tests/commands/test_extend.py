"""`fastpatent data extend` from its words to its list."""

import pytest

from fastpatent.commands.extend import extend
from fastpatent.errors import DataError


@pytest.fixture
def lists(tmp_path):
    """The lists of a data set without training drawings, in `data/`."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, line in {"test_query": "a/1.png", "test_db": "a/2.png", "val_query": "b/1.png", "val_db": "b/2.png"}.items():
        (folder / f"{name}_patent.txt").write_text(f"{line} 1\n")
    return folder


def words(lists, *options):
    return [*options, "DATASETS.ROOT", str(lists.parent)]


def test_it_writes_beside_the_test_lists_and_reports_what_is_missing(lists, capsys):
    assert not extend(words(lists))
    assert (lists / "test_db_patent_extended.txt").read_text() == "a/2.png 1\nb/1.png 2\nb/2.png 2\n"
    printed = capsys.readouterr().out
    assert f"no training images in it: {lists} has no train_patent_trn.txt" in printed
    assert "no validation" not in printed and f"{lists}/test_db_patent_extended.txt: 3 images" in printed


def test_a_list_that_is_there_is_replaced_only_with_the_option(lists):
    path = lists / "test_db_patent_extended.txt"
    path.write_text("mine\n")
    with pytest.raises(DataError, match="is there already; --replace writes it anew"):
        extend(words(lists))
    assert path.read_text() == "mine\n"
    assert not extend(words(lists, "--replace")) and path.read_text().startswith("a/2.png 1\n")


def test_a_folder_at_the_place_of_the_list(lists):
    (lists / "test_db_patent_extended.txt").mkdir()
    for options in ((), ("--replace",)):
        with pytest.raises(DataError, match="extended.txt: is a folder where the list is to be written"):
            extend(words(lists, *options))


def test_names_that_are_not_utf_8(lists):
    (lists / "test_db_patent.txt").write_bytes(b"a/\xff.png 1\n")
    assert not extend(words(lists))
    assert (lists / "test_db_patent_extended.txt").read_bytes().startswith(b"a/\xff.png 1\n")


def test_no_lists(lists, tmp_path):
    (lists / "test_db_patent.txt").unlink()
    with pytest.raises(DataError, match=r"no list test_db_patent.txt in .*train_data or .*data or .* \(DATASETS.ROOT\)"):
        extend(words(lists))
