"""`fastpatent serve`: starts, says where, ends by signals, and what bad input says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from fastpatent.commands import main
from fastpatent.search.layout import VERSION
from tests.small_index import write_index
from tests.small_sets import write_drawing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index of pixels."""
    from tests.search.test_build import PIXELS

    root = tmp_path_factory.mktemp("served")
    for number in range(4):
        write_drawing(root / f"d/p{number // 2}/{number}.png", number)
    assert main(["index", "build", str(root / "d"), "--out", str(root / "I"), *PIXELS]) == 0
    return root / "I"


def start(folder, *options):
    words = [sys.executable, "-m", "fastpatent.commands", "serve", str(folder), "--port", "0", *options]
    environment = {key: value for key, value in os.environ.items() if key != "FASTPATENT_TOKEN"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, env=environment, start_new_session=True, **pipes)


def test_it_starts_says_where_and_ends_quietly(folder, tmp_path):
    for_all = "--host", "0.0.0.0", "--workspace", str(tmp_path / "w.sqlite")
    with start(folder) as own, start(folder, *for_all) as open_to_all:
        for process, sent, made_token in ((own, signal.SIGINT, False), (open_to_all, signal.SIGTERM, True)):
            line = process.stdout.readline()
            found = re.search(r"searched at (http://(127\.0\.0\.1|localhost):\d+/)(\?token=[\w-]{32})? until", line)
            assert found and bool(found[3]) == made_token, line
            with urllib.request.urlopen(f"{found[1]}healthz") as answer:
                assert json.load(answer)["status"] == "ok"
            os.killpg(process.pid, sent)  # as Ctrl-C: its processes get it too
            rest, _ = process.communicate(timeout=100)
            assert process.returncode == 0 and "Traceback" not in rest and rest.endswith("ended\n"), rest
    assert (folder.parent / "I.workspace.sqlite").exists()


def test_bad_input_is_one_sentence(folder, tmp_path, capfd):
    half = tmp_path / "half"
    (half / "shards").mkdir(parents=True)
    (tmp_path / "other.sqlite").write_text("no database " * 100)
    newer = write_index(tmp_path / "newer", [[1, 0], [0, 1]], ["a", "b"]).folder / "manifest.json"
    newer.write_text(newer.read_text().replace(f'"version": {VERSION}', '"version": 99'))
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    for words, message in (
        ([], "give the folder of one index"),
        ([folder, folder], "give the folder of one index"),
        ([tmp_path / "none"], "none: is no index"),
        ([half], "half: this index is not finished"),
        ([newer.parent], "was written by a newer fastpatent"),
        ([folder, "--port", port], f"--port {port}: cannot be listened on: Address already in use; choose another"),
        ([folder, "--port", "70000"], "--port 70000: is no port"),
        ([folder, "--host", "no.such.host.invalid"], "--host no.such.host.invalid --port 8080: cannot be listened on"),
        ([folder, "--workspace", tmp_path / "other.sqlite"], "other.sqlite"),
        ([folder, "--token", "short"], "--token: write 16 or more letters"),
        ([folder, "--rate", "-1"], "--rate must be a number of 0 or more"),
        ([folder, "--rate", "nan"], "--rate must be a number of 0 or more"),
        ([folder, "MODEL.DEVIC", "cpu"], "MODEL.DEVIC"),
    ):
        extra = [] if "--port" in words or "--host" in words else ["--port", "0"]
        words = list(map(str, words))
        place = next((number for number, word in enumerate(words) if word.isupper()), len(words))
        assert main(["serve", *words[:place], *extra, *words[place:]]) == 1, words
        errors = capfd.readouterr().err
        assert message in errors and errors.startswith("error: ") and errors.count("\n") == 1, errors
    taken.close()
