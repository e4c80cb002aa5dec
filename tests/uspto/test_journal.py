"""Journals that were truncated anywhere or belong to another archive are resumed or restarted correctly."""

import os

import pytest

from fastpatent.uspto import journal as journal_module
from fastpatent.uspto.journal import Journal, is_complete, read_outcomes, read_scan
from fastpatent.uspto.patent import Outcome
from fastpatent.uspto.skips import Reason, Skip

ORIGIN = {"archive": "I20210105.tar", "bytes": 10}
COUNTS, SKIPS = {Reason.NO_DESIGN: 3, Reason.UNSAFE: 1}, [Skip(Reason.UNSAFE, "../a", "it climbs")]
DRAWINGS = [{"name": "USD0000001-20210105-D00000.png", "digest": "0a"}]
OUTCOMES = [
    Outcome("first", 512, {"patent": "USD0000001-20210105", "title": "\u00e9\u2028", "drawings": DRAWINGS}),
    Outcome("second", 1024, None, [Skip(Reason.XML, "second", "no XML"), Skip(Reason.TIF, "second/a", 'a "quote"')]),
]


def write(path, origin=ORIGIN):
    """Resume a journal and complete it."""
    journal = Journal(path, origin)
    with journal:
        if not journal.scanned:
            journal.tell_scan(COUNTS, SKIPS)
        for outcome in OUTCOMES:
            if outcome.place not in journal.places:
                journal.tell(outcome)
        if not journal.complete:
            journal.tell_complete()
    return journal


def test_it_reads_what_was_written(tmp_path):
    path = tmp_path / "one.jsonl"
    journal = write(path)
    assert journal.scanned and journal.complete and journal.places == {512, 1024}
    assert read_scan(path) == (COUNTS, SKIPS) and list(read_outcomes(path)) == OUTCOMES and is_complete(path)
    again = Journal(path, ORIGIN)
    assert again.scanned and again.complete and again.places == {512, 1024}


def test_a_journal_cut_after_any_byte_is_completed_to_the_same(tmp_path):
    path = tmp_path / "one.jsonl"
    write(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 3):
        path.write_bytes(whole[:end])
        assert not is_complete(path)
        assert list(read_outcomes(path)) == OUTCOMES[: whole[:end].count(b'\n{"member"') and whole[:end].count(b"\n") - 2]
        write(path)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("other", [{"archive": "I20210105.tar", "bytes": 11}, {"archive": "I20210112.tar", "bytes": 10}])
def test_the_journal_of_another_archive_is_restarted(tmp_path, other):
    path = tmp_path / "one.jsonl"
    write(path)
    whole = path.read_bytes()
    journal = Journal(path, other)
    assert not journal.scanned and not journal.places and not journal.complete
    write(path, other)
    assert is_complete(path) and path.read_bytes() != whole
    write(path)
    assert path.read_bytes() == whole


def test_a_journal_of_another_version_is_not_complete(tmp_path, monkeypatch):
    path = tmp_path / "one.jsonl"
    write(path)
    monkeypatch.setattr(journal_module, "VERSION", 3)
    assert not is_complete(path)


def test_lines_after_a_damaged_one_are_ignored(tmp_path):
    path = tmp_path / "one.jsonl"
    write(path)
    lines = path.read_bytes().split(b"\n")
    for damaged in (b"[1]", lines[2].replace(b"0001-", b"0002-"), lines[2].rpartition(b",")[0] + b"}"):
        path.write_bytes(b"\n".join([*lines[:2], damaged, *lines[3:]]))
        assert list(read_outcomes(path)) == [] and Journal(path, ORIGIN).places == set()
        assert not is_complete(path)  # or the patents after the line would be missing without a word


def test_a_full_disk_names_the_journal(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    os.symlink("/dev/full", tmp_path / "full.jsonl")
    journal = Journal(tmp_path / "absent", ORIGIN)
    journal.path = tmp_path / "full.jsonl"
    journal._file = open(journal.path, "ab", buffering=0)
    with pytest.raises(OSError, match="No space left on device") as caught:
        journal.tell(OUTCOMES[0])
    assert caught.value.filename == str(journal.path)
