"""Benchmarks at a size that takes seconds: every row is there, and what is ours alone names no other side."""

import importlib
import json
import sys

import pytest


@pytest.fixture
def measured(repository, monkeypatch, tmp_path):
    """Function (script, *words) that runs a benchmark here and returns its rows."""
    monkeypatch.syspath_prepend(repository / "benchmarks")

    def run(script, *words):
        rows = tmp_path / "rows.json"
        monkeypatch.setattr(sys, "argv", [script, *words, "--json", str(rows)])
        importlib.import_module(script).main()
        return json.loads(rows.read_text())

    return run


def test_ranking(measured, capsys):
    size = ["--small", "--images", "760", "--steps", "1"]
    both, ours = measured("ranking", *size), measured("ranking", *size, "--ours-only")
    assert "40 queries x 120 gallery rows x 1024" in capsys.readouterr().out
    assert len(both) == 9 and all(row["theirs"] and row["ratio"] > 0 for row in both if "GiB" not in row["name"])
    assert [row["name"].split(",")[0] for row in ours] == [
        "AQE k 5 + top 10 + all metrics",
        "k-reciprocal (k1 20",
        "metrics",
    ]
    assert all(row["ours"] > 0 and row["theirs"] is row["target"] is None for row in ours)


@pytest.mark.slow
def test_a_training_step_alone(measured):
    plain, fed = measured("training_step", *"--small --steps 1 --ours-only --images 128".split())
    assert plain["ours"] > 0 and plain["theirs"] is None and fed["ratio"] > 0
