"""`fastpatent runs`: the table, the files, what is below it."""

import csv
import json

import pytest

from fastpatent.commands import main
from fastpatent.data.tables import read_csv
from fastpatent.engine.run_list import find_runs, row_of
from fastpatent.log import PlainConsole
from fastpatent.report.runs import runs_table, short_headings, shown_columns
from tests.engine.run_folders import write_run


@pytest.fixture
def folder(tmp_path):
    """Two runs, a folder that is none, and names that could act."""
    write_run(tmp_path / "a", "SOLVER.BASE_LR", "0.001")
    odd = dict(state="stopped", reason="=HYPERLINK(1)\x1b[31m|", git={"commit": "f" * 40})
    write_run(tmp_path / "=b|\x1b[31m", "INPUT.FLIP.PROB", "0.2", "MODEL.LOSSES.NAME", "('Cosface','CircleLoss')", **odd)
    (tmp_path / "half").mkdir()
    (tmp_path / "half/model_final.pth").touch()
    return tmp_path


def test_the_table_shows_what_differs_with_intervals_and_names_what_is_no_run(folder, capfd):
    assert main(["runs", str(folder), "--sort", "mAP"]) == 0
    printed = capfd.readouterr()
    for text in (
        "FLIP.PROB",
        "LOSSES.NAME",
        "BASE_LR",
        "0.6000",
        ".50-.70",
        "3/3",
        "3:00",
        "stopped",
        "no room for images/s",
    ):
        assert text in printed.out, text
    assert "\x1b" not in printed.out and "DEPTH" not in printed.out
    assert f"skipped: {folder / 'half'}: is no run" in printed.err
    assert main(["runs", str(folder), "--where", "PROB=0.2", "--where", "mAP<0.3"]) == 1
    assert "--where: PROB may be" in capfd.readouterr().err
    assert main(["runs", str(folder), "--where", "state=finished"]) == 0
    assert "1 more runs are not as --where asks" in capfd.readouterr().err


def test_files_are_read_back_and_only_those_of_the_command_are_replaced(folder, capfd):
    for form, name in (("csv", "a.csv"), ("json", "a.json"), ("markdown", "a.md"), ("table", "a.txt")):
        words = ["runs", str(folder), "--format", form, "--output", str(folder / name)]
        assert main(words) == 0 and main(words) == 0
        text = (folder / name).read_text()
        assert "\x1b" not in text and main(words[:4]) == 0
        assert capfd.readouterr().out.endswith(text) or form == "table"  # which fits into the terminal
    record, plain = json.loads((folder / "a.json").read_text())
    assert record["run"] == "=b|\x1b[31m" and record["Drawings/mAP low"] == 0.5 and record["commit"] == "f" * 12
    assert plain["why"] is None and plain["SOLVER.BASE_LR"] == 0.001
    rows = list(read_csv(folder / "a.csv"))
    assert float(rows[1]["Drawings/mAP"]) == 0.6 and rows[0]["MODEL.LOSSES.NAME"] == "Cosface, CircleLoss"
    raw = list(csv.reader((folder / "a.csv").read_text().splitlines()))
    assert raw[1][0].startswith("'=") and raw[1][2].startswith("'=")  # no spreadsheet computes them
    assert r"\|" in (folder / "a.md").read_text().splitlines()[2]
    (folder / "mine.csv").write_text("mine")
    assert main(["runs", str(folder), "--format", "csv", "--output", str(folder / "mine.csv")]) == 1
    assert "was not written by this command" in capfd.readouterr().err and (folder / "mine.csv").read_text() == "mine"


def test_chosen_columns_come_after_run_and_state(folder, capfd):
    assert main(["runs", str(folder), "--columns", "mAP,SEED,mAP,started", "--format", "markdown"]) == 0
    assert capfd.readouterr().out.splitlines()[0] == "| run | state | mAP | SEED | started |"
    assert main(["runs", str(folder), "--columns", "SOLVER.SED"]) == 1
    assert "--columns: SOLVER.SED is no key; did you mean" in capfd.readouterr().err


def test_a_table_of_many_columns_fits_into_100_letters_and_names_the_others(tmp_path):
    keys = [
        "SEED",
        "SOLVER.BASE_LR",
        "SOLVER.IMS_PER_BATCH",
        "MODEL.HEADS.EMBEDDING_DIM",
        "SOLVER.WEIGHT_DECAY",
        "SOLVER.SCHED",
    ]
    write_run(tmp_path / "a")
    values = "1", "0.5", "128", "64", "0.3", "CosineAnnealingLR"
    write_run(tmp_path / ("b" * 60), *(word for pair in zip(keys, values) for word in pair))
    rows = [row_of(run, run.folder.name) for run in find_runs([tmp_path])[0]]
    with open(tmp_path / "table.txt", "w+") as file:
        PlainConsole(file=file, width=100).print(runs_table(rows, shown_columns(rows), 100))
        file.seek(0)
        lines = file.read().splitlines()
    assert max(map(len, lines)) <= 100
    shown, text = lines[0].split(), " ".join(lines)
    assert shown[:4] == ["run", "state", "mAP", "Acc@1"] and "…" not in text
    left = [key for key in keys if key.rpartition(".")[2] not in shown]
    assert left and all(key in text for key in left)


def test_headings_are_as_short_as_they_can_be():
    columns = ["run", "seconds", "A/mAP", "B/mAP", "A/Acc@1", "MODEL.BACKBONE.DEPTH", "INPUT.FLIP.PROB", "SEED"]
    expected = ["run", "time", "A/mAP", "B/mAP", "Acc@1", "DEPTH", "FLIP.PROB", "SEED"]
    assert list(short_headings(columns).values()) == expected
