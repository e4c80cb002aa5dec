"""How many unreadable images are passed over, and the file that names them."""

import csv

import pytest

from fastpatent import distributed
from fastpatent.data.quarantine import Quarantine
from fastpatent.data.records import Sample
from fastpatent.errors import DataError


def samples(count):
    return [Sample(f"{number}.png", "a") for number in range(count)]


def rows(folder):
    with open(folder / "quarantine.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("count, share, limit", [
    (1000, 0.001, 1), (1001, 0.001, 2), (24, 0.001, 1), (100, 0.07, 7), (350_000, 0.001, 350),
    (24, 0, 0), (1, 0.001, 0), (2, 0.9, 1),  # one image at least is readable
])  # fmt: skip
def test_the_share_is_rounded_up(count, share, limit):
    assert Quarantine(samples(count), share).limit == limit


def test_each_is_logged_once_and_one_too_many_is_an_error(caplog):
    quarantine = Quarantine(samples(20), 0.1, "it is passed over")
    for broken in ({3: "3.png: empty"}, {3: "3.png: empty", 5: "5.png: damaged"}, {}, {5: "5.png: damaged"}):
        quarantine.add(broken)
    assert caplog.messages == ["3.png: empty; it is passed over", "5.png: damaged; it is passed over"]
    assert quarantine.found == {"3.png": "3.png: empty", "5.png": "5.png: damaged"}
    with pytest.raises(DataError, match=r"^7.png: gone; DATALOADER.MAX_BROKEN allows 2 of 20 images$"):
        quarantine.add({7: "7.png: gone"})
    with pytest.raises(DataError, match="^3.png: empty$"):
        Quarantine(samples(20)).add({3: "3.png: empty"})


def test_the_file_names_them_when_they_are_found_and_counts_them_at_the_end(tmp_path, caplog):
    quarantine = Quarantine([*samples(20), Sample("\udcff,.png", "b")], 0.1, "", tmp_path)
    quarantine.finish()
    assert not list(tmp_path.iterdir())
    quarantine.add({3: "empty"})
    quarantine.add({3: "empty", 20: 'a "reason"'})
    head, first, second = ["path", "reason", "count"], ["3.png", "empty", "2"], ["\\udcff,.png", 'a "reason"', "1"]
    assert rows(tmp_path) == [head, first, second]
    quarantine.add({20: 'a "reason"'})
    caplog.clear()
    quarantine.finish()
    assert rows(tmp_path) == [head, first, [*second[:2], "2"]]
    assert caplog.messages == [f"2 images could not be read and were replaced in training: {tmp_path / 'quarantine.csv'}"]


def test_a_resumed_run_goes_on_counting_and_repaired_images_are_not_held_against_it(tmp_path):
    first = Quarantine(samples(20), 0.05, "", tmp_path)
    first.add({3: "empty"})
    resumed = Quarantine(samples(20), 0.05, "", tmp_path, resumed=True)
    resumed.add({4: "damaged"})
    resumed.add({4: "damaged"})
    resumed.finish()
    assert rows(tmp_path)[1:] == [["3.png", "empty", "1"], ["4.png", "damaged", "2"]]
    (tmp_path / "quarantine.csv").write_text("nonsense")
    Quarantine(samples(20), 0.05, "", tmp_path, resumed=True).add({3: "empty"})
    assert rows(tmp_path)[1:] == [["3.png", "empty", "1"]]


def test_the_first_of_several_processes_writes_what_all_have_found(tmp_path, monkeypatch):
    parts = [[("3.png", "empty", 1)], [("3.png", "empty", 4), ("8.png", "damaged", 1)]]
    monkeypatch.setattr(distributed, "collect", lambda value: parts)
    Quarantine(samples(20), 0.1, "", tmp_path).finish()
    assert rows(tmp_path)[1:] == [["3.png", "empty", "5"], ["8.png", "damaged", "1"]]
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    other = tmp_path / "other"
    Quarantine(samples(20), 0.1, "", other).add({1: "empty"})
    assert not other.exists()
