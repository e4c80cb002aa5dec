"""Names and lists of the sample against those of DeepPatent."""

import re

import pytest

from fastpatent.synthetic.deeppatent_lists import drawing_path, lists

PATTERN = re.compile(r"^I(\d{8})/(USD\d{7}-\1)/\2-([DP])(\d{5})\.png$")
DRAWINGS = [7 + number % 2 for number in range(320)]


def read(text):
    return [(path, int(label)) for path, label in (line.split(" ") for line in text.splitlines())]


def identities(lines):
    return {path.split("/")[1] for path, _ in lines}


@pytest.fixture(scope="module", params=[0, 7])
def files(request):
    return {name: read(text) for name, text in lists(DRAWINGS, request.param).items()}


def test_paths_are_those_of_deeppatent(shared):
    real = (shared / "deeppatent" / "val_query_patent.txt").read_text().split("\n", 1)[0].split(" ")[0]
    assert PATTERN.match(real)
    paths = [drawing_path(number, drawing) for number in range(320) for drawing in range(8)]
    assert all(map(PATTERN.match, paths)) and len(set(paths)) == len(paths)
    assert len({path.split("/")[0] for path in paths}) > 5
    assert paths[0] == "I20190101/USD0900001-20190101/USD0900001-20190101-D00000.png"


def test_every_drawing_is_listed_once_and_parts_are_disjoint(files):
    train, validation = files["train_patent_trn.txt"], files["train_patent_val.txt"]
    test = files["test_query_patent.txt"] + files["test_db_patent.txt"]
    paths = [path for path, _ in train + validation + test]
    assert sorted(paths) == sorted(drawing_path(n, d) for n, count in enumerate(DRAWINGS) for d in range(count))
    parts = [identities(part) for part in (train, validation, test)]
    assert [len(part) for part in parts] == [231, 41, 48]
    assert len(set.union(*parts)) == 320


@pytest.mark.parametrize("part", ["val", "test"])
def test_queries_are_not_in_the_gallery_and_have_matches(files, part):
    query, gallery = files[f"{part}_query_patent.txt"], files[f"{part}_db_patent.txt"]
    assert not {path for path, _ in query} & {path for path, _ in gallery}
    assert identities(query) == identities(gallery)
    counts = [sum(label == wanted for _, label in query) for wanted in {label for _, label in query}]
    assert set(counts) == {1, 2}


def test_validation_is_its_queries_and_gallery(files):
    assert sorted(files["train_patent_val.txt"]) == sorted(files["val_query_patent.txt"] + files["val_db_patent.txt"])


def test_labels_restart_at_one_and_name_one_design_each(files):
    for lines in files.values():
        assert {label for _, label in lines} == set(range(1, len(identities(lines)) + 1))
        assert len({(label, path.split("/")[1]) for path, label in lines}) == len(identities(lines))


def test_lines_end_in_a_line_feed():
    for text in lists([8] * 10, 0).values():
        assert re.fullmatch(r"(?:[^ \r\n]+ [1-9]\d*\n)+", text)


def test_few_designs_leave_no_list_empty():
    for designs in [3, 4, 10]:
        assert all(lists([7] * designs, 1).values()), f"{designs=}"
