"""The sample on disk: the same for any number of processes, complete or absent, and its drawings distinct."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from fastpatent.errors import DataError
from fastpatent.synthetic import generate
from fastpatent.synthetic.generate import ensure_sample, generate_sample
from fastpatent.synthetic.sheets import draw_design


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("root") / "sample", designs=6, seed=3, workers=2)


def test_the_number_of_processes_changes_nothing(sample, tmp_path):
    assert contents(generate_sample(tmp_path / "again", designs=6, seed=3, workers=1)) == contents(sample)


def test_the_seed_changes_every_drawing(sample, tmp_path):
    other = contents(generate_sample(tmp_path / "other", designs=6, seed=4, workers=1))
    images = {name: digest for name, digest in contents(sample).items() if name.endswith(".png")}
    assert not set(images.values()) & set(other.values())


def test_files_and_lists_agree(sample):
    root = sample / "train_data"
    listed = {line.split(" ")[0] for path in root.glob("*.txt") for line in path.read_text().splitlines()}
    assert listed == {path.relative_to(root / "patent_data").as_posix() for path in root.rglob("*.png")}
    assert {path.name for path in root.glob("*.txt")} == {
        "train_patent_trn.txt",
        "train_patent_val.txt",
        "val_query_patent.txt",
        "val_db_patent.txt",
        "test_query_patent.txt",
        "test_db_patent.txt",
    }
    readme = (sample / "README.txt").read_text()
    assert "designs=6, seed=3" in readme and str(len(listed)) in readme


def test_drawings_are_one_bit_and_lightly_inked(sample):
    shapes = set()
    for path in sample.rglob("*.png"):
        with Image.open(path) as image:
            assert image.mode == "1" and image.format == "PNG"
            shapes.add(image.size)
            ink = 1 - np.asarray(image).mean()
        assert 0.003 < ink < 0.25, path
    assert len(shapes) > 20


@pytest.fixture(scope="module")
def designs():
    return [draw_design(11, number) for number in range(24)]


@pytest.mark.slow
def test_designs_share_no_drawing(designs):
    digests = [{hashlib.sha256(sheet.tobytes()).hexdigest() for sheet in sheets} for sheets in designs]
    assert len(set.union(*digests)) == sum(map(len, digests))
    assert {len(sheets) for sheets in designs} == {7, 8}


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "lists", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_sample(tmp_path / "data" / "sample", designs=3, workers=1)
    assert list((tmp_path / "data").iterdir()) == []


def test_an_existing_folder_is_not_changed(tmp_path):
    (tmp_path / "sample").mkdir()
    with pytest.raises(DataError, match="exists already"):
        generate_sample(tmp_path / "sample", designs=3)
    with pytest.raises(DataError, match="train_patent_trn.txt"):
        ensure_sample(tmp_path)
    assert list((tmp_path / "sample").iterdir()) == []


def test_too_few_designs_are_refused(tmp_path):
    with pytest.raises(DataError, match="at least 3 designs"):
        generate_sample(tmp_path / "sample", designs=2)


def test_ensure_draws_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(generate, "generate_sample", lambda folder: calls.append(folder) or generate_sample(folder, 3, 0, 1))
    first = ensure_sample(tmp_path)
    assert first == tmp_path / "sample" and ensure_sample(tmp_path) == first
    assert calls == [first]


def test_one_of_two_racing_processes_wins(tmp_path, monkeypatch):
    """If another process finishes the folder first, that folder is used."""
    target = tmp_path / "sample"
    real = generate.lists

    def other_finishes_first(counts, seed):
        (target / "train_data").mkdir(parents=True)
        (target / "train_data" / "theirs").touch()
        return real(counts, seed)

    monkeypatch.setattr(generate, "lists", other_finishes_first)
    assert generate_sample(target, designs=3, workers=1) == target
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
    assert (target / "train_data" / "theirs").exists()
