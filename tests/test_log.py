"""The one log: terminal, log.txt, what was reported before the folder was known, several processes, a full disk."""

import io
import logging
import os

import pytest
from rich.console import Console
from rich.table import Table

from fastpatent import log
from fastpatent.errors import DataError

logger = logging.getLogger("fastpatent.somewhere")


def table():
    found = Table()
    found.add_column("file")
    found.add_row("[b].yml:100: x")
    return found


def test_information_goes_to_stdout_and_what_is_wrong_to_stderr_with_a_prefix(capsys):
    logger.info("before the log is started")
    log.start()
    logger.info("%d images of [a.yml:100: x] :smile:", 3)
    logger.debug("detail")
    logger.warning("no %s", "captions")
    logger.error("first\nsecond")
    logging.getLogger("elsewhere").info("of another package")
    printed = capsys.readouterr()
    assert printed.out == "3 images of [a.yml:100: x] :smile:\n"
    assert printed.err == "warning: no captions\nerror: first\nerror: second\n"
    log.stop()
    logger.info("after it is stopped")
    assert capsys.readouterr() == ("", "")


def test_the_file_holds_all_of_it_with_what_came_before_its_folder_was_known(tmp_path, capsys):
    log.start()
    logger.info("early")
    logger.warning("early too")
    log.start(tmp_path / "deep/run")
    long = "x" * 3 * log.FILE_WIDTH
    logger.info(long)
    logger.info(table())
    logger.error("wrong")
    written = (tmp_path / "deep/run/log.txt").read_text()
    log.stop()
    printed = capsys.readouterr()
    assert written.startswith(f"early\nwarning: early too\n{long}\n") and written.endswith("\nerror: wrong\n")
    assert "[b].yml:100: x" in written and "file" in printed.out
    assert written == printed.out.replace("early\n", f"early\n{printed.err.splitlines()[0]}\n") + "error: wrong\n"


def test_a_second_run_appends_and_another_folder_gets_its_own_messages(tmp_path):
    for message in ("first run", "second run"):
        log.start(tmp_path / "a")
        logger.info(message)
        log.stop()
    log.start(tmp_path / "a")
    log.start(tmp_path / "b")
    logger.info("elsewhere")
    log.start()
    logger.info("of a run without a folder")
    log.stop()
    assert (tmp_path / "a/log.txt").read_text() == "first run\nsecond run\n"
    assert (tmp_path / "b/log.txt").read_text() == "elsewhere\n"


def test_names_that_are_not_utf8_are_escaped(tmp_path, capfd):
    log.start(tmp_path)
    logger.info("a\udcff.png")
    found = Table()
    found.add_column("b\udcfe.png")
    logger.info(found)
    assert "a\\udcff.png\n" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "b\\udcfe.png" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    printed = capfd.readouterr().out
    assert "a\\udcff.png\n" in printed and "b\\udcfe.png" in printed


def test_what_one_file_has_is_not_written_to_the_next(tmp_path):
    log.start(tmp_path / "a")
    logger.info("of a")
    log.start(tmp_path / "b")
    logger.info("of b")
    assert (tmp_path / "a/log.txt").read_text() == "of a\n"
    assert (tmp_path / "b/log.txt").read_text() == "of b\n"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_several_processes_the_first_reports_and_each_reports_its_errors(rank, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun does, before the processes are connected
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    log.start()
    logger.info("early")
    log.start(tmp_path)
    logger.warning("careful")
    logger.error("broken")
    printed = capsys.readouterr()
    if rank == "0":
        assert printed == ("early\n", "warning: careful\nerror: broken\n")
        assert (tmp_path / "log.txt").read_text() == "early\nwarning: careful\nerror: broken\n"
    else:
        assert printed == ("", "error: broken\n") and not (tmp_path / "log.txt").exists()


@pytest.mark.parametrize("early", [0, 2])
def test_a_full_disk_ends_the_file_with_one_warning_and_not_the_run(early, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fastpatent.log.regular", lambda _, flags: os.open("/dev/full", flags))
    log.start()
    for number in range(early):
        logger.info("early %d", number)
    log.start(tmp_path)
    logger.info("one")
    logger.info("two")
    printed = capsys.readouterr()
    assert printed.out == "".join(f"early {number}\n" for number in range(early)) + "one\ntwo\n"
    file = tmp_path / "log.txt"
    assert printed.err == f"warning: {file}: No space left on device; what follows is on the terminal only\n"


@pytest.mark.parametrize("name", ["file", "file/run", "link", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(name, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(DataError, match=f"^{tmp_path / name}: .*OUTPUT_DIR"):
        log.start(tmp_path / name)


@pytest.mark.parametrize("errors_on_terminal", [True, False])
def test_on_one_terminal_a_warning_goes_where_the_progress_line_is(errors_on_terminal, monkeypatch):
    output, errors = (Console(file=io.StringIO(), force_terminal=live, width=80) for live in (True, errors_on_terminal))
    monkeypatch.setattr(log, "_console", lambda wrong: errors if wrong else output)
    log.start()
    logger.warning("careful")
    expected = ("warning: careful\n", "") if errors_on_terminal else ("", "warning: careful\n")
    assert (output.file.getvalue(), errors.file.getvalue()) == expected
