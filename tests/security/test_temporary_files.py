"""Links, FIFOs and folders under the names that the project writes: a victim's file stays, and nothing waits."""

import os
import re
import signal
import stat
import tarfile
from functools import partial

import pytest

from fastpatent import log
from fastpatent.data.lock import only_writer
from fastpatent.engine.curves import Curves
from fastpatent.engine.run_folder import MARK, own_run_folder, remove_run
from fastpatent.errors import DataError
from fastpatent.files import Ledger, check_output, remove_temporaries, write_atomically
from fastpatent.synthetic.generate import generate_sample
from fastpatent.uspto.archives import Member
from fastpatent.uspto.journal import Journal, is_complete
from fastpatent.uspto.patent import convert_patent
from tests.uspto.weeks import LIMIT, member_name, name_of, patent_zip, write_tar

GUESS = "0123456789abcdef"


@pytest.fixture(autouse=True)
def no_waiting():
    """End a test that waits for the other end of a FIFO."""
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for a FIFO"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def victim(tmp_path):
    """A file outside the folder that is written to; it must stay as it is."""
    path = tmp_path / "victim"
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious" and not (tmp_path / "new").exists()


@pytest.fixture
def folder(tmp_path):
    """The folder that is written to."""
    path = tmp_path / "run"
    path.mkdir()
    return path


def test_a_temporary_file_follows_no_link(victim, folder, monkeypatch):
    """Neither under the name of older versions, nor where the new one could be guessed."""
    for part in (str(os.getpid()), GUESS):
        (folder / f".{part}.a.txt").symlink_to(victim)
    write_atomically(folder / "a.txt", lambda path: path.write_text("first"))
    monkeypatch.setattr("fastpatent.files.unguessable", lambda: GUESS)
    with pytest.raises(FileExistsError, match=f"{folder}/a.txt'$"):
        write_atomically(folder / "a.txt", lambda path: path.write_text("second"))
    assert (folder / "a.txt").read_text() == "first"


def test_a_link_at_the_name_itself_is_replaced_and_the_mode_is_the_usual_one(victim, folder):
    (folder / "a.txt").symlink_to(victim)
    (folder / "usual.txt").write_text("")
    write_atomically(folder / "a.txt", lambda path: path.write_text("mine"))
    found, usual = ((folder / name).lstat().st_mode for name in ("a.txt", "usual.txt"))
    assert stat.S_ISREG(found) and found == usual and {path.name for path in folder.iterdir()} == {"a.txt", "usual.txt"}


def test_names_are_never_the_same_and_are_found_again(folder):
    seen = []
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            write_atomically(folder / "a.txt", partial(stopped, seen))
    assert len({path.name for path in seen}) == 3
    for path in seen:
        path.write_text("left by a kill")
    remove_temporaries(folder, ["a.*"])
    assert not list(folder.iterdir())


def stopped(seen, path):
    seen.append(path)
    raise KeyboardInterrupt


def test_leftovers_are_links_or_folders(victim, folder):
    (folder / f".{GUESS}.a.txt").symlink_to(victim)
    (folder / f".{GUESS}.b.txt").mkdir()
    remove_temporaries(folder, ["*.txt"])
    assert [path.name for path in folder.iterdir()] == [f".{GUESS}.b.txt"]


def lock(folder):
    with only_writer(folder, "job"):
        pass


def journal(folder):
    with Journal(folder / "a.jsonl", {"archive": "a"}):
        pass


def training(folder):
    with own_run_folder(folder):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling link", "link to FIFO", "FIFO", "folder"])
@pytest.mark.parametrize(
    "name, write",
    [
        ("log.txt", log.start),
        (".lock", lock),
        ("a.jsonl", journal),
        ("a.jsonl", lambda folder: is_complete(folder / "a.jsonl")),
        ("written.json", lambda folder: Ledger(folder / "written.json")),
        ("a.txt", lambda folder: Ledger(folder / "written.json").check([folder / "a.txt"], "job")),
        ("a.npy", lambda folder: check_output(folder / "a.npy", "--output", lambda path: path.read_bytes() == b"mine")),
        ("config.yaml", training),
    ],
)
def test_what_is_no_regular_file_is_refused(name, write, kind, victim, folder, tmp_path):
    path = folder / name
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "FIFO")
        path.symlink_to(tmp_path / {"link": "victim", "dangling link": "new", "link to FIFO": "FIFO"}[kind])
    before = path.lstat()
    with pytest.raises(DataError, match=re.escape(str(path))):
        write(folder)
    assert path.lstat() == before


def test_a_log_that_cannot_be_opened_leaves_no_handler_behind(folder):
    """Logging closes every handler that it knows at the end of the program."""
    (folder / "log.txt").mkdir()
    log.start()
    before = list(log.PACKAGE.handlers)
    with pytest.raises(DataError):
        log.start(folder)
    log.start()
    assert [type(handler) for handler in log.PACKAGE.handlers] == [type(handler) for handler in before]


def test_a_run_with_links_and_folders_under_its_names_is_removed_without_what_they_lead_to(victim, folder):
    (folder / "config.yaml").write_text(MARK)
    for name in ("model_best.pth", "last_checkpoint", "events.out.tfevents.1"):
        (folder / name).symlink_to(victim)
    (folder / "model_0001.pth").symlink_to("nowhere")
    (folder / "log.txt").mkdir()
    with own_run_folder(folder, overwrite=True):
        remove_run(folder)
    assert {path.name for path in folder.iterdir()} == {".lock", "log.txt"}


def test_the_sample_is_not_drawn_through_a_link(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    for part in (str(os.getpid()), GUESS):
        (folder / f".sample.{part}.partial").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("fastpatent.synthetic.generate.unguessable", lambda: GUESS)
    with pytest.raises(FileExistsError):
        generate_sample(folder / "sample", 3, workers=1)
    (folder / "sample").symlink_to("nowhere")
    with pytest.raises(DataError, match="sample exists already"):
        generate_sample(folder / "sample", 3, workers=1)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_patent_is_not_written_through_a_link(victim, folder, tmp_path):
    data = patent_zip(1)
    write_tar(tmp_path / "week.tar", {member_name(1): data})
    member = Member(str(tmp_path / "week.tar"), member_name(1), name_of(1), tarfile.BLOCKSIZE, len(data))
    drawings = folder / "I20210105"
    drawings.mkdir()
    for name in (name_of(1), f".{name_of(1)}"):  # the second is where it is written first
        (drawings / name).symlink_to(tmp_path)
    assert convert_patent(member, folder, LIMIT).record["patent"] == name_of(1)
    assert [(path.name, path.is_symlink()) for path in drawings.iterdir()] == [(name_of(1), False)]
    assert {path.name for path in tmp_path.iterdir()} == {"victim", "run", "week.tar"}


def test_the_name_of_the_curves_cannot_be_known(folder):
    """TensorBoard opens its file by a name of second, host and process, and follows links."""
    for _ in range(2):
        Curves(folder).close()
    endings = {re.fullmatch(r"events\.out\.tfevents\..*\.([0-9a-f]{16})", path.name)[1] for path in folder.iterdir()}
    assert len(endings) == 2
