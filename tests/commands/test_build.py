"""`fastpatent data build` from the command line's words to its exit status, through kills and full disks."""

import errno
import multiprocessing
import os
import re
import signal
import sys

import pytest

from fastpatent.commands import build as build_command
from fastpatent.commands.build import build
from fastpatent.commands.run import run
from fastpatent.data.lock import only_writer
from fastpatent.errors import ConfigError, DataError
from fastpatent.uspto import patent as patent_module
from tests.stopping import stop_when_going
from tests.uspto.weeks import contents, files_below, member_name, name_of, patent_zip, week, write_tar, zipped


@pytest.fixture
def words(tmp_path):
    """The command line for a week of twelve patents, without worker processes."""
    archive = write_tar(tmp_path / "I20210105.tar", week(range(1, 13)))
    return [str(archive), "--out", str(tmp_path / "out"), "--workers", "0"]


def test_what_was_skipped_and_what_was_written(tmp_path, words, capsys):
    archive = write_tar(
        tmp_path / "[b].tar",
        {
            "UTIL/US10881042-20210105.ZIP": b"",
            member_name(13): patent_zip(13)[:-1],
            member_name(14): zipped({**contents(14), f"{name_of(14)}-D00001.TIF": b"[no] image"}),
        },
    )
    assert build([str(archive), *words]) == 0
    printed = capsys.readouterr().out
    for reason, example in (
        ("no design patent", ""),
        ("damaged or cut short", r"\[b\]\.tar/I20210105/DESIGN/"),
        ("drawing refused", r"\[b\]\.tar/I20210105/DESIGN/"),
    ):
        assert re.search(rf"{reason} +│ +1 │ {example}", printed)
    assert "13 patents, 51 drawings of 2 archive(s)\n" in printed and "  train_patent_trn.txt: " in printed
    assert f"{tmp_path / 'out'}: DATASETS.ROOT of the data sets Patent, " in printed


def test_a_damaged_archive_ends_with_status_1(words, capsys):
    os.truncate(words[0], os.path.getsize(words[0]) - 20_000)
    assert build(words) == 1
    assert re.search(r"archive damaged +│ +1 │ I20210105\.tar: it has no end mark", capsys.readouterr().out)


def test_what_cannot_be_built(words):
    for more, error, sentence in (
        (["--test-fraction", "0"], ConfigError, "--test-fraction: 0.0 is not between 0 and 1"),
        (["--val-fraction", "1.5"], ConfigError, "--val-fraction: 1.5 is not between"),
        (["--workers", "-1"], ConfigError, "--workers: -1 is less than 0"),
        (["--limit-bytes", "0"], ConfigError, "--limit-bytes: 0 is less than 1"),
        (["--limit-bytes", "100"], DataError, "too few patents for lists"),
    ):
        with pytest.raises(error, match=sentence):
            build([*words, *more])


def test_an_archive_whose_name_is_too_long_for_a_journal(tmp_path):
    for length, error in ((249, None), (250, "the name is too long")):
        archive = write_tar(tmp_path / f"{'a' * (length - 4)}.tar", week(range(1, 5)))
        words = [str(archive), "--out", str(tmp_path / "long"), "--workers", "0"]
        if error is None:
            assert build(words) == 0
            continue
        with pytest.raises(DataError, match=error):
            build(words)


def test_the_seed_and_the_fractions_reach_the_lists(tmp_path, words):
    def tested(*more):
        build([*words, *more])
        return {line.split("/")[1] for line in (tmp_path / "out/train_data/test_db_patent.txt").open()}

    assert len(tested()) == 2 and len(tested("--test-fraction", "0.5")) == 6
    assert len({frozenset(tested("--seed", str(seed))) for seed in range(4)}) > 1


def test_only_one_run_writes_to_a_folder(tmp_path, words, capfd):
    folder = tmp_path / "out/build"
    folder.mkdir(parents=True)
    other = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(run(build, words)))
    with only_writer(folder, "fastpatent data build"):
        other.start()
        other.join()
    assert other.exitcode == 1 and capfd.readouterr().err.startswith(f"error: {folder}: another ")


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path, words, monkeypatch, capsys):
    convert, left = patent_module.sheet_to_png, [30]

    def filling(data):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        return convert(data)

    monkeypatch.setattr(patent_module, "sheet_to_png", filling)
    assert run(build, words) == 1
    folder = tmp_path / "out/train_data/patent_data/I20210105"
    assert capsys.readouterr().err == f"error: {folder / name_of(8)}: No space left on device\n"
    assert sorted(os.listdir(folder)) == [name_of(number) for number in range(1, 8)]
    left[0] = 20  # as many as the other five patents have: the first seven are not converted again
    assert run(build, words) == 0 and left == [0]


STUCK = """
import signal, sys, time
from fastpatent.commands import build as command
from fastpatent.commands.run import run
from fastpatent.uspto import patent

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background would hand down that it is ignored
command.worker_count = lambda _: (2, "test")
write = patent._write_drawings

def slow(contents, folder):
    if folder.endswith(sys.argv[2]):
        print("going", flush=True)
        time.sleep(float(sys.argv[1]))
    return write(contents, folder)

patent._write_drawings = slow
sys.exit(run(command.build, sys.argv[3:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_continues(tmp_path, words, repository, sent):
    """Two processes, four patents at a time, stopped at the tenth of twelve."""
    out, killed = tmp_path / "out", sent == signal.SIGKILL
    stop_when_going(STUCK, ["60" if killed else "0.5", name_of(10), *words], repository, sent)
    stopped = files_below(out)
    assert all(re.fullmatch(r"build/.*\.jsonl|train_data/patent_data/I20210105/\.?USD.*\.png", name) for name in stopped)
    assert run(build, words) == 0
    resumed = files_below(out)
    assert run(build, [words[0], "--out", str(tmp_path / "whole"), "--workers", "0"]) == 0
    assert resumed == files_below(tmp_path / "whole")


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        build(["--help"])
    printed = capsys.readouterr().out
    for option in ("--out", "--seed", "--workers", "--limit-bytes", "--test-fraction", "--val-fraction"):
        assert option in printed
    assert str(build_command.LIMIT) in printed
