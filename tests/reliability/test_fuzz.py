"""Some hundred fuzzed inputs of all kinds; and a failure, a hang, a crash and a large memory are noticed."""

import json
import os
import time

import pytest
from hypothesis import strategies as st

from benchmarks.reliability import fuzz, targets
from fastpatent.errors import DataError

pytestmark = pytest.mark.slow


def test_only_sentences_come_of_almost_valid_inputs(tmp_path):
    found = fuzz.fuzz(240, seed=12, failures=tmp_path)
    assert {name: len(outcomes) for name, outcomes in found.items()} == dict.fromkeys(targets.TARGETS, 20)
    for name, outcomes in found.items():
        kinds = {outcome.kind for outcome in outcomes}
        assert fuzz.FAILED not in kinds, [outcome.text for outcome in outcomes if outcome.kind == fuzz.FAILED]
        assert fuzz.READ in kinds, name  # else all might be refused for one reason
    assert not list(tmp_path.iterdir())


WAYS = {
    "sentence": (lambda: (_ for _ in ()).throw(DataError("a.txt: is damaged")), fuzz.OURS, "a.txt: is damaged"),
    "refused": (lambda: False, fuzz.OURS, ""),
    "read": (lambda: None, fuzz.READ, ""),
    "traceback": (lambda: 1 // 0, fuzz.FAILED, "ZeroDivisionError"),
    "empty line": (lambda: (_ for _ in ()).throw(DataError("a.txt:\n")), fuzz.FAILED, "a line without a sentence"),
    "crash": (lambda: os._exit(3), fuzz.FAILED, "status 3"),
    "hang": (lambda: time.sleep(60), fuzz.FAILED, "a hang"),
    "memory": (lambda: bytearray(3 * 2**30), fuzz.FAILED, "MemoryError"),
}


def test_each_way_to_fail_is_noticed_and_can_be_replayed(tmp_path, monkeypatch, capfd):
    words = st.sampled_from(list(WAYS)).map(lambda way: targets.Case({"a.txt": way.encode()}, [way]))
    monkeypatch.setattr(fuzz, "SECONDS", 0.5)
    monkeypatch.setattr(fuzz, "TARGETS", {"ways": lambda folder: target_of(folder, words)})
    [outcomes] = fuzz.fuzz(20, failures=tmp_path, names=["ways"]).values()
    cases = fuzz.drawn(words, 20, "0 ways 0")  # again: they depend on the seed alone
    assert len(outcomes) == 20 and {case.words[0] for case in cases} == set(WAYS)
    for case, outcome in zip(cases, outcomes, strict=True):
        _, kind, text = WAYS[case.words[0]]
        assert outcome.kind == kind and text in outcome.text, case.words
    saved = {fuzz.load_case(path)[1].words[0]: path for path in tmp_path.iterdir()}
    assert saved.keys() == {way for way, (_, kind, _) in WAYS.items() if kind == fuzz.FAILED}
    assert fuzz.replay(saved["traceback"]) == 1 and "ZeroDivisionError" in capfd.readouterr().out
    assert json.loads(saved["crash"].read_text())["target"] == "ways"


def target_of(folder, cases):
    def read(words):
        assert (folder / "a.txt").read_text() == words[0]
        return WAYS[words[0]][0]()

    return targets.Target(cases, read)
