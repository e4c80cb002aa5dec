"""Names in files, titles and keys write nothing to a terminal but themselves, and begin no line of the log."""

import io
import json
import re
import subprocess
import sys
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.table import Table

from fastpatent import log
from fastpatent.commands import main
from fastpatent.commands.build import skipped_table
from fastpatent.commands.run import run
from fastpatent.config import load_config
from fastpatent.config.report import differences_table
from fastpatent.data.impact.patents import literal_texts
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features
from fastpatent.progress import ProgressLine
from fastpatent.report.classification import class_table, classification_table
from fastpatent.report.tables import metrics_table
from fastpatent.text import escaped, short_line
from fastpatent.uspto.skips import Reason

CLIPBOARD = "\x1b]52;c;cm0gLXJm\x07"  # OSC 52
FORGED = "x\nerror: forged\r\x0bwarning: forged\x85\u2028error: forged\u2029"
HIDDEN = "\x00\x08\x7f\x9b31m\u202e\u2066\u200f\u061c\u200b\u2060\ufeff\xad\U000e0041\udcff"
HOSTILE = f"[/x][bold]:smile:{CLIPBOARD}{FORGED}{HIDDEN}end"
HONEST = "Stühle/椅子 42°, ½ a\u3000b\xa0c – [1] 'é'.png"
UNSEEN = re.compile(  # controls but the line feed, marks of format, surrogates
    "[\0-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def harmless(printed):
    """No character of it acts on a terminal, and no line begins as a name wants."""
    assert printed and not UNSEEN.search(printed), ascii(UNSEEN.search(printed))
    assert not re.search("^(error|warning): forged", printed, re.MULTILINE)
    return printed


def test_of_the_first_characters_the_controls_are_escaped_and_no_other():
    """The controls of ISO 6429 are C0, DEL and C1; the soft hyphen is the only mark of format among these."""
    changed = {number for number in range(0x300) if escaped(chr(number)) != chr(number)}
    assert changed == {*range(0x20), *range(0x7F, 0xA0), 0xAD}


def test_honest_names_stay_and_escapes_are_those_of_python():
    assert escaped(HONEST) == HONEST
    assert eval(f'"{escaped(HOSTILE)}"') == HOSTILE
    assert short_line("é" * 10_000, 20) == "é" * 20 + "..." and len(short_line("\U000e0041" * 10**6)) < 4000


def test_messages_and_tables(tmp_path, capsys):
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    log.start(tmp_path)
    log.PACKAGE.info(HOSTILE)
    log.PACKAGE.warning("%s", HOSTILE)
    log.PACKAGE.info(table)
    log.PACKAGE.info(HONEST)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err, (tmp_path / "log.txt").read_text(encoding="utf-8")):
        assert r"\x1b]52;" in harmless(text) and "[/x][bold]:smile:" in text
    assert HONEST in printed.out
    log.PACKAGE.error(HOSTILE.replace("forged", "real"))  # in an error all lines are the error's
    assert {line[:7] for line in harmless(capsys.readouterr().err).splitlines()} == {"error: "}


def test_tables_of_results(monkeypatch):
    samples = [Sample(f"{number}.png", f"patent{number % 3}") for number in range(12)]
    features = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
    splits = Splits(HOSTILE, [], samples[:3], samples[3:])
    splits.warnings = [HOSTILE]
    evaluation = rank_features(Features(HOSTILE, *np.split(features, [3])), splits)
    figure = SimpleNamespace(mean=0.5, low=0.4, high=0.6)
    of = SimpleNamespace(name=HOSTILE, drawings=3, precision=0.5, recall=0.5, f1=0.5)
    found = SimpleNamespace(
        accuracy=figure, top5=None, macro_f1=0.5, classes=[of], unseen={HOSTILE: 2}, unused=[HOSTILE], notes=[HOSTILE]
    )
    report = SimpleNamespace(counts={Reason.XML: 1}, examples={Reason.XML: HOSTILE})
    tables = (
        metrics_table([(HOSTILE, evaluation)]),
        classification_table([(HOSTILE, found)]),
        class_table(found),
        skipped_table(report),
    )
    for table in tables:
        console = log.PlainConsole(file=io.StringIO(), width=5000)
        console.print(table)
        assert r"\x1b]52;" in harmless(console.file.getvalue())


@pytest.mark.parametrize("live", [True, False])
def test_progress(live, monkeypatch, capsys):
    screen = io.StringIO()
    monkeypatch.setattr(log, "terminal", lambda errors=False: log.PlainConsole(file=screen, force_terminal=live, width=2000))
    log.start()
    with ProgressLine(HOSTILE, 1) as line:
        line.update(1, HOSTILE)
        if live:
            line._live.refresh()
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", screen.getvalue())  # the line's own colours and moves
    assert harmless(shown).count("[/x][bold]:smile:") >= 2


def test_the_command_line(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "bash", HOSTILE])
    assert "unrecognized arguments" in harmless(capsys.readouterr().err.replace("\nusage", "usage"))
    name = HOSTILE.replace("\0", "")  # the system hands on no NUL
    for words in ([name], ["data", name], ["convert", name, name], ["config", "--config-file", name], ["config", name, "1"]):
        assert main(words) != 0
        harmless(capsys.readouterr().err)


def test_keys_and_values_of_a_file(tmp_path, capsys):
    keys = tmp_path / "keys.yml"
    keys.write_text(yaml.safe_dump({HOSTILE.replace("\udcff", ""): 1, "MODEL": {"META_ARCHITECTURE": HOSTILE[:-4]}}))
    assert main(["config", "--config-file", str(keys)]) == 1
    assert r"\x1b]52;" in harmless(capsys.readouterr().err)
    values = tmp_path / "values.yml"
    values.write_text(yaml.safe_dump({"OUTPUT_DIR": HOSTILE.replace("\udcff", "").replace("\x00", "")}))
    assert main(["config", "--config-file", str(values)]) == 0
    printed = harmless(capsys.readouterr().out)
    assert r"\x1b]52;" in printed.partition("# OUTPUT_DIR")[2]
    (tmp_path / "again.yml").write_text(printed)
    assert load_config(tmp_path / "again.yml") == load_config(values)
    log.PACKAGE.info("%s", differences_table(load_config(values)))


def test_names_of_drawings(tmp_path, capsys):
    hostile = HOSTILE.replace("/", "").replace("\0", "")[:90]
    for design in range(4):
        folder = tmp_path / f"in/{hostile}{design}"
        folder.mkdir(parents=True)
        for view in range(3):
            pixels = np.random.default_rng(3 * design + view).integers(0, 2, (9, 11), np.uint8) * 255
            Image.fromarray(pixels).save(folder / f"{hostile[:50]}{view}.png")
        (folder / f"{hostile[:50]}3.png").write_bytes(b"no drawing")
    sets = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATALOADER.NUM_WORKERS", "0"]
    words = ["DATASETS.ROOT", str(tmp_path / "in"), *sets, "OUTPUT_DIR", str(tmp_path / "out")]
    assert main(["data", "check", *words]) in (0, 1)
    assert "unreadable drawing: [x]" in harmless(capsys.readouterr().out)
    assert main(["data", "stats", *words]) == 0
    assert r"\x1b]52;" in harmless(capsys.readouterr().out)
    assert r"\x1b]52;" in harmless((tmp_path / "out/log.txt").read_text(encoding="utf-8"))
    (query,) = (tmp_path / "in").glob("*0/*0.png")
    outputs = ["--csv", str(tmp_path / "f.csv"), "--json", str(tmp_path / "f.json"), "--page", str(tmp_path / "f.html")]
    search = ["find", str(query), "--in", str(tmp_path / "in"), *outputs, "--cache", str(tmp_path / "cache")]
    assert main([*search, "DESCRIPTOR.NAME", "hog", "DATALOADER.NUM_WORKERS", "0"]) == 0
    assert r"\x1b]52;" in harmless(capsys.readouterr().out)
    assert r"\x1b]52;" in harmless((tmp_path / "f.csv").read_text(encoding="utf-8"))
    found = json.loads(harmless((tmp_path / "f.json").read_text()))
    assert found["queries"][0]["views"] == [str(query)]


def test_tracebacks_of_bugs(monkeypatch, capsys):
    def fail():
        raise RuntimeError(HOSTILE.replace("\n", ""))

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    with pytest.raises(RuntimeError) as raised:
        run(fail)
    sys.excepthook(raised.type, raised.value, raised.tb)
    assert "RuntimeError: [/x]" in harmless(capsys.readouterr().err)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert "RuntimeError: [/x]" in harmless(capsys.readouterr().err)


def test_completion_evaluates_no_name_of_a_file(tmp_path, capsys):
    (tmp_path / "$(touch run)").touch()
    (tmp_path / "`touch run`.yml").touch()
    main(["completion", "bash"])
    script = capsys.readouterr().out
    asked = "COMP_WORDS=(fastpatent train --config-file ''); COMP_CWORD=3; _fastpatent; printf '%s|' \"${COMPREPLY[@]}\""
    found = subprocess.run(["bash", "-c", f"{script}\n{asked}"], cwd=tmp_path, capture_output=True, text=True)
    assert "touch" in found.stdout and not (tmp_path / "run").exists()


def test_warnings_of_python_show_nothing_of_a_literal(recwarn):
    """Python names the letter after a backslash as it is, from 3.12 on by default."""
    warnings.simplefilter("always")
    assert literal_texts(f"['\\{CLIPBOARD[0]}c']") == [f"\\{CLIPBOARD[0]}c"] and not recwarn.list
