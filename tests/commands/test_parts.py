import pytest
from fastpatent.commands.parts import load_test_sets, with_classes
from PIL import Image

from fastpatent.config import load_config
from fastpatent.errors import ConfigError, DataError
from fastpatent.log import RunLog


@pytest.mark.parametrize("given, found, expected", [(0, 7, 7), (7, 7, 7), (9, 7, 9)])
def test_the_number_of_classes_comes_from_the_data_unless_it_is_given(given, found, expected):
    cfg = load_config(overrides=["MODEL.HEADS.NUM_CLASSES", str(given), "MODEL.BACKBONE.PRETRAIN", "True"])
    assert with_classes(cfg, found).MODEL.HEADS.NUM_CLASSES == expected
    assert with_classes(cfg, found).MODEL.BACKBONE.PRETRAIN
    assert not with_classes(cfg, found, resumed=True).MODEL.BACKBONE.PRETRAIN


def test_too_few_classes_are_refused():
    with pytest.raises(ConfigError, match="NUM_CLASSES is 3, but the training set has 7"):
        with_classes(load_config(overrides=["MODEL.HEADS.NUM_CLASSES", "3"]), 7)


@pytest.fixture
def lists(tmp_path):
    """A labelled test set whose queries are written by each test: (root, function that writes the query list)."""
    for name in ("a/1", "a/2", "b/1", "c/1"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("1", (8, 8), 1).save(path)
    (tmp_path / "test_db_patent.txt").write_text("a/2.png 1\n")

    def ask(*names):
        (tmp_path / "test_query_patent.txt").write_text("".join(f"{name}.png 1\n" for name in names))
        return load_config(overrides=["DATASETS.ROOT", str(tmp_path), "DATASETS.TESTS", "('DeepPatentTest',)"])

    return ask


def test_queries_without_a_match_are_counted_and_named(lists, capsys):
    load_test_sets(lists("a/1", "b/1", "c/1"), RunLog())
    printed = capsys.readouterr().out
    assert "2 queries" in printed and "b/1.png" in printed


def test_a_set_in_which_nothing_can_be_found_is_refused(lists):
    with pytest.raises(DataError, match="DeepPatentTest: no query.*b/1.png"):
        load_test_sets(lists("b/1", "c/1"), RunLog())
