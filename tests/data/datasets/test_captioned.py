"""CSV files of drawings and captions, in the format of open_clip."""

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.data.records import PARTS
from fastpatent.errors import ConfigError, DataError


@pytest.fixture
def captioned(tmp_path, cfg):
    """Function (lines, key="TRAIN", delimiter=",") that writes a CSV file beside 3 designs of 3 views; returns the cfg."""
    cfg.DATASETS.ROOT, cfg.DATASETS.NAMES, cfg.DATASETS.TESTS = str(tmp_path), ("Captioned",), ("Captioned",)
    for design in "abc":
        (tmp_path / "views" / design).mkdir(parents=True)
        for view in range(3):
            (tmp_path / "views" / design / f"{view}.png").touch()

    def write(lines, key="TRAIN", delimiter=",", columns=("filepath", "caption")):
        rows = [columns, *lines]
        (tmp_path / f"{key}.csv").write_text("".join(f"{delimiter.join(fields)}\n" for fields in rows), encoding="utf-8")
        cfg.DATASETS.CAPTIONS[key] = f"{key}.csv"
        return cfg

    return write


def views(designs="abc"):
    return [(f"views/{design}/{view}.png", f"view {view} of {design}") for design in designs for view in range(3)]


@pytest.mark.parametrize("delimiter", [",", "\t"])  # the latter is open_clip's default
def test_pairs_in_order(captioned, tmp_path, delimiter):
    samples = load_training_set(captioned([*views("ba"), ("views/a/0.png", '"a, again"')], delimiter=delimiter))
    assert [sample.caption for sample in samples] == [text for _, text in views("ba")] + ["a, again"]
    assert [sample.path for sample in samples] == [str(tmp_path / name) for name, _ in [*views("ba"), views("a")[0]]]
    assert [sample.identity for sample in samples] == list("bbbaaaa")


def test_test_pairs_are_queries_and_gallery(captioned):
    lines = [*views("ab"), views("c")[0]]
    splits = load_test_set(captioned(lines, "TEST"), "Captioned")
    assert [sample.identity for sample in splits.query] == ["a", "b"]
    assert sorted(sample.caption for sample in splits.query + splits.gallery) == sorted(text for _, text in lines)
    again = load_test_set(captioned([*views("ba"), views("c")[0]], "TEST"), "Captioned")
    assert set(again.query) == set(splits.query)  # chosen by name


def test_a_drawing_with_two_captions_is_on_one_side(captioned):
    lines = [(name, f"{text} {time}") for name, text in views("ab") for time in (1, 2)] + [("views/c/0.png", "c")] * 2
    splits = load_test_set(captioned(lines, "TEST"), "Captioned")
    assert not {s.path for s in splits.query} & {s.path for s in splits.gallery} and len(splits.query) == 4


def test_places_of_drawings(captioned, tmp_path):
    """Paths as written, below the root, beside the CSV file; sheets of patents in any layout, converted or not."""
    patent = "USD0907292-20210105"
    sheet = tmp_path / f"patents/{patent}/{patent}-D00001.png"
    sheet.parent.mkdir(parents=True)
    sheet.touch()
    lines = [
        (str(tmp_path / "views/a/0.png"), "absolute"),
        ("views/b/0.png", "below the root"),
        (f"/home/others/2021/{patent}/{patent}-D00001.TIF", "elsewhere"),
        (f"C:\\patents\\{patent}-D00001.TIF", "further"),
    ]
    samples = load_training_set(captioned(lines))
    assert [sample.path for sample in samples[2:]] == [str(sheet)] * 2 and samples[3].identity == patent
    assert [sample.identity for sample in samples[:2]] == ["a", "b"]
    (tmp_path / "views/beside.csv").write_text("filepath,caption\nc/2.png,beside\n")
    cfg = captioned(lines)
    cfg.DATASETS.CAPTIONS.TRAIN = "views/beside.csv"
    assert load_training_set(cfg)[0].path == str(tmp_path / "views/c/2.png")


def test_faults_are_reported(captioned, tmp_path):
    skipped, lines = {}, [*views("a"), ("views/a/9.png", "gone"), ("views/b/0.png", " "), ("x",)]
    samples = load_training_set(captioned(lines), skipped)
    table = tmp_path / "TRAIN.csv"
    assert len(samples) == 4 and samples[3].caption is None
    assert skipped == {
        "malformed row": [f"{table}:7: 1 fields where the first row has 2"],
        "drawing of a caption missing": [f"{table}:5: there is no views/a/9.png"],
        "without a text": [f"{table}:6: views/b/0.png has no caption"],
    }


def test_the_column_of_the_text(captioned):
    cfg = captioned(views(), columns=("filepath", "title"))
    with pytest.raises(DataError, match="TRAIN.csv: no column is called caption; choose from filepath, title"):
        load_training_set(cfg)
    cfg.DATASETS.CAPTIONS.TEXT = "title"
    assert [sample.caption for sample in load_training_set(cfg)] == [text for _, text in views()]


def test_tables_that_cannot_be_read_are_refused(captioned):
    cfg = captioned([("views/d/0.png", "d")])
    with pytest.raises(DataError, match="none of its drawings exists.*TRAIN.csv:2: there is no views/d/0.png"):
        load_training_set(cfg)
    with pytest.raises(DataError, match="TRAIN.csv: none of its drawings exists.*; it has no row"):
        load_training_set(captioned([]))
    with pytest.raises(ConfigError, match="DATASETS.CAPTIONS.TEST is empty: name the CSV file"):
        load_test_set(cfg, "Captioned")
    cfg.DATASETS.CAPTIONS.TRAIN = "nowhere.csv"
    with pytest.raises(DataError, match="nowhere.csv: the table cannot be read: No such file"):
        load_training_set(cfg)


def test_parts_without_a_table_are_empty_unless_asked_for(captioned):
    cfg = captioned(views())
    splits = DATASETS.get("Captioned")(cfg)
    assert [len(getattr(splits, part)) for part in PARTS] == [9, 0, 0]
    cfg.DATASETS.CAPTIONS.TRAIN = ""
    with pytest.raises(ConfigError, match="DATASETS.CAPTIONS.TRAIN is empty"):
        DATASETS.get("Captioned")(cfg)


def test_designs_of_one_drawing_can_only_be_found_by_text(captioned):
    cfg = captioned([(f"views/{design}/0.png", design) for design in "abc"], "TEST")
    with pytest.raises(DataError, match="Captioned below .* has no query; an identity needs two drawings"):
        load_test_set(cfg, "Captioned")
    splits = load_test_set(cfg, "Captioned", texts=True)
    assert splits.query == [] and [sample.caption for sample in splits.gallery] == ["a", "b", "c"]
