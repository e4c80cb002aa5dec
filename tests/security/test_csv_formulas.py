"""No cell of a CSV file of the project is a formula to a spreadsheet, and what the project reads again is as it was."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from fastpatent.data.quarantine import Quarantine
from fastpatent.data.records import Sample
from fastpatent.data.statistics import QUANTITIES
from fastpatent.data.tables import read_csv, write_csv
from fastpatent.evaluation.benchmark import FIGURES, Benchmark, SystemResult
from fastpatent.evaluation.intervals import Figure
from fastpatent.files import Ledger
from fastpatent.report.benchmark.files import write_tables
from fastpatent.report.statistics import write_summaries
from fastpatent.uspto.publish import BuildReport, _write_skipped

COMMAND = "cmd|' /C calc'!A0"
SIGNS = ["=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", "＋", "－", "＠"]
HIDDEN = [" =", "\u3000=", "a;=", 'a;"=', 'a; "=', "a\n=", "'", "'=", "''-", ";'+"]
ATTACKS = [f"{start}{COMMAND}" for start in SIGNS + HIDDEN]
WRITER = r"csv\.(writer|DictWriter)|to_csv"
PACKAGE = Path(__file__).resolve().parents[2] / "fastpatent"


def cells(path):
    """The texts of a file as a spreadsheet has them that splits at commas or at semicolons, and trims; numbers left out."""
    for delimiter in ",;":
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter=delimiter):
                for cell in row:
                    if not re.fullmatch(r"-?\d+(\.\d*)?(e-?\d+)?", cell):
                        yield cell.strip()


def harmless(path):
    found = list(cells(path))
    assert any("calc" in cell for cell in found)
    assert not [cell for cell in found if cell[:1] in tuple("=+-@＝＋－＠\t\r")]


def test_cells_are_read_back_and_numbers_stay_numbers(tmp_path):
    honest = ["a.png", "", "é 日本", 'a "b", c', "a'b", "a - b", "5-3", "'tis", "a; b"]
    attacks = [attack for attack in ATTACKS if attack.isprintable()]
    rows = [{"text": text, "number": str(number)} for text in honest + attacks for number in (-0.5, 3, 1e-9)]
    write_csv(tmp_path / "a.csv", [("text", "number"), *((row["text"], float(row["number"])) for row in rows)])
    harmless(tmp_path / "a.csv")
    found = list(read_csv(tmp_path / "a.csv"))
    assert [row["text"] for row in found] == [row["text"] for row in rows]
    assert [float(row["number"]) for row in found] == [float(row["number"]) for row in rows]
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        plain = [row["text"] for row in csv.DictReader(file)]
    assert plain[: 3 * len(honest)] == [text for text in honest for _ in range(3)]  # any reader has honest cells as they are


def test_the_quarantine_of_a_resumed_run_counts_the_same_image_once(tmp_path):
    samples = [Sample(path, "a") for path in ATTACKS] * 20
    for resumed in (False, True):
        quarantine = Quarantine(samples, 0.9, "", tmp_path, resumed=resumed)
        quarantine.add({row: f"{path}: gone" for row, path in enumerate(ATTACKS)})
        quarantine.finish()
    harmless(tmp_path / "quarantine.csv")
    rows = list(read_csv(tmp_path / "quarantine.csv"))
    assert len(rows) == len(ATTACKS) and {row["count"] for row in rows} == {"2"}
    printable = {path for path in ATTACKS if path.isprintable()}
    assert printable < {row["path"] for row in rows}


@pytest.mark.parametrize("row", ['"' + "x" * 200_000, "a", "a,b,1,c,d", "a,b,x"])
def test_a_quarantine_from_elsewhere_is_no_traceback(row, tmp_path):
    (tmp_path / "quarantine.csv").write_text(f"path,reason,count\n{row}\n")
    Quarantine([Sample("3.png", "a")] * 20, 0.5, "", tmp_path, resumed=True).add({3: "empty"})
    assert [row["path"] for row in read_csv(tmp_path / "quarantine.csv")] == ["3.png"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_results_and_reports(attack, tmp_path):
    figure = Figure(-0.5, -0.6, -0.4)
    result = SystemResult(attack, attack, 3, dict.fromkeys(FIGURES, figure), dict.fromkeys(FIGURES, figure))
    benchmark = Benchmark(attack, {"queries": 1, "database": 1, "patents": 1, "front pages": 0}, [result], [], [], {}, [])
    harmless(next(path for path in write_tables(benchmark, tmp_path) if path.suffix == ".csv"))
    write_summaries({attack: {name: np.array([-1.0, 2.0]) for name in QUANTITIES}}, tmp_path / "statistics.csv")
    harmless(tmp_path / "statistics.csv")
    report = BuildReport([], [])
    _write_skipped(tmp_path / "skipped.csv", [], [(attack, attack)], report, Ledger(tmp_path / "written.json"))
    harmless(tmp_path / "skipped.csv")


def test_there_is_one_writer_of_csv_files():
    found = [path for path in PACKAGE.rglob("*.py") if re.search(WRITER, path.read_text(encoding="utf-8"))]
    assert found == [PACKAGE / "data/tables.py"]
