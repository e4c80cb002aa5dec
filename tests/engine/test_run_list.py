"""Which runs there are, by which values they are compared, and which of them a condition chooses."""

import json

import pytest

from fastpatent.engine.run_comparison import compare
from fastpatent.engine.run_list import column_named, differing_keys, find_runs, matching, row_of, same_text, sorted_by
from fastpatent.errors import ConfigError, DataError
from fastpatent.report.runs import short_headings, shown_columns
from tests.engine.run_folders import write_run


@pytest.fixture
def rows(tmp_path):
    """Three runs a, b, c."""
    write_run(tmp_path / "a", "SOLVER.BASE_LR", "0.001")
    write_run(tmp_path / "deep/b", "MODEL.BACKBONE.DEPTH", "101x", maps=(0.7,), state="failed", reason="a.png: is damaged")
    write_run(tmp_path / "c", "INPUT.SIZE_TRAIN", "[64,96]", maps=())
    return [row_of(run, run.folder.name) for run in find_runs([tmp_path])[0]]


def names(rows):
    return [row.values["run"] for row in rows]


def test_a_row_has_the_best_epoch_and_all_settings(rows):
    a, c, b = rows
    assert names(rows) == ["a", "c", "b"] and a.test_set == "Drawings"
    expected = {"measured": "epoch 2", "Drawings/mAP": 0.6, "epochs": 3, "seconds": 180, "images/s": 20, "state": "finished"}
    assert expected.items() <= a.values.items() and a.intervals == {"Drawings/mAP": (0.5, 0.7)}
    assert (b.values["state"], b.values["why"]) == ("failed", "a.png: is damaged") and "why" not in a.values
    assert not {"measured", "epochs", "seconds", "Drawings/mAP"} & c.values.keys()
    keys = ["MODEL.BACKBONE.DEPTH", "INPUT.SIZE_TRAIN", "SOLVER.BASE_LR"]
    assert differing_keys(rows) == keys and differing_keys([a, a]) == []


def test_the_results_of_a_test_count_where_they_are_newer_than_the_training(tmp_path):
    folder = write_run(tmp_path / "a")
    run = find_runs([folder])[0][0]
    for date, measured in (
        ("2026-01-01T11:00:00+00:00", "test"),
        ("2026-01-01T10:59:59+00:00", "epoch 2"),
        ("?", "epoch 2"),
    ):
        tests = {"tests": {"Drawings": {"mAP": 0.3}}, "intervals": {"Drawings": {"mAP": [0.2, 0.4]}}}
        (folder / "results.json").write_text(json.dumps({"date": date, **tests}))
        assert row_of(run, "a").values["measured"] == measured
    for damaged in ("[" * 10**5, "[]", '{"tests": 3}', ""):
        (folder / "results.json").write_text(damaged)
        assert row_of(run, "a").values["Drawings/mAP"] == 0.6


def test_names_that_could_act_or_have_no_end_are_short_lines(tmp_path):
    folder = write_run(tmp_path / "a")
    name = "\x1b[31m" + "x" * 10**5
    line = {"epoch": 1, "tests": {name: {"mAP": 0.5}}, "losses": {name: 1.0}}
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, [line, {**line, "epoch": 10**400}])))
    (run,), _ = find_runs([folder])
    headings = short_headings(shown_columns([row_of(run, name)]))
    sentence = compare(run.history, [])["losses"].sentence("losses")
    assert len(run.history) == 1 and all("\x1b" not in text and len(text) < 600 for text in (*headings.values(), sentence))


def test_values_of_another_kind_are_unknown(tmp_path):
    folder = write_run(tmp_path / "a", device=["x"], started=3, git=3)
    for odd in ("x", None, [], {}, True, 10**400, float("nan")):
        line = {"epoch": 1, "seconds": odd, "images_per_second": odd, "losses": odd, "intervals": odd}
        tests = [{"Drawings": {"mAP": odd}}, {"Drawings": odd}, odd]
        (folder / "history.jsonl").write_text("\n".join(json.dumps({**line, "tests": found}) for found in tests))
        values = row_of(find_runs([folder])[0][0], "a").values
        assert not {"Drawings/mAP", "images/s", "device", "commit"} & values.keys() and values["epochs"] == 1


@pytest.mark.parametrize(
    "conditions, chosen",
    [
        ([], "acb"),
        (["MODEL.BACKBONE.DEPTH=101x"], "b"),
        (["depth != 101x"], "ac"),
        (["SOLVER.BASE_LR=1e-3"], "a"),
        (["SIZE_TRAIN=(64, 96)"], "c"),
        (["mAP>0.6"], "b"),
        (["mAP>=0.6", "state=finished"], "a"),
        (["Drawings/mAP<0.65"], "a"),
        (["mAP!=0.6"], "cb"),
        (["epochs<=1"], "b"),
        (["WITH_IBN=true", "why=a.png: is damaged"], ""),
    ],
)
def test_conditions_choose_runs(conditions, chosen, rows):
    assert "".join(names(matching(rows, conditions))) == chosen


@pytest.mark.parametrize(
    "condition, sentence",
    [
        ("mAP", "--where: mAP is no condition; write MODEL.BACKBONE.DEPTH=50x or mAP>0.5"),
        ("MODEL.BACKBONE.DETH=1", "MODEL.BACKBONE.DETH is no key; did you mean MODEL.BACKBONE.DEPTH?"),
        ("mAPP>0.5", "no column is called mAPP; did you mean mAP?"),
        ("ENABLED=True", "ENABLED may be .* or .*; write which"),
        ("mAP>good", "--where: mAP>good: good is no number, which > compares with"),
        ("device<3", r"device<3: cpu \(a CPU\) of a run is no number, which < compares"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_one_sentence(condition, sentence, rows):
    with pytest.raises(ConfigError, match=sentence):
        matching(rows, [condition])


def test_metrics_are_sorted_best_first_and_what_is_unknown_comes_last(rows):
    for column, expected in (("mAP", "bac"), ("BASE_LR", "cba"), ("epochs", "bac"), ("run", "abc"), ("why", "bac")):
        found = "".join(names(sorted_by(rows, column_named(column, rows, "--sort"))))
        assert found == expected, column


def test_ways_to_write_one_value_are_equal_and_other_values_are_not():
    for ways in (
        ([96, 96], "[96,96]", "(96, 96)", "96,96.0"),
        (True, "true", "True"),
        (1e-3, "0.001", "1e-3"),
        (["a"], "a"),
    ):
        assert len(set(map(same_text, ways))) == 1, ways
    assert len(set(map(same_text, ([96, 9], [9, 96], "96", "50x", "", True, 1, "1,x")))) == 8


def test_folders_that_are_no_runs_are_named_and_a_run_is_found_once(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / ".hidden")
    for name in ("half/model_final.pth", "foreign/config.yaml", "torn/run.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    runs, faults = find_runs([tmp_path, tmp_path / "a", tmp_path / "link"])
    assert [run.folder.name for run in runs] == ["a"]
    assert [fault.partition(":")[0] for fault in faults] == [str(tmp_path / name) for name in ("half", "torn")]
    for folder, sentence in (
        (tmp_path / "nowhere", "there is no such folder"),
        (tmp_path / "foreign", "there is no run in"),
    ):
        with pytest.raises(DataError, match=sentence):
            find_runs([folder])
