"""Configurations found by name, from any working directory."""

from pathlib import Path

from fastpatent.config import by_name, default_network, load_config


def test_a_name_is_the_end_of_a_path(repository, tmp_path, monkeypatch):
    """The names in README and docs work where there is no configs/, as after pip install."""
    monkeypatch.chdir(tmp_path)
    for name in ("own_drawings", "own_drawings.yml", "sample/own_drawings", "configs/sample/own_drawings.yml"):
        assert load_config(name) == load_config(repository / "configs/sample/own_drawings.yml"), name
    assert Path(by_name.find_file("configs/impact/small_pair.json")) == repository / "configs/impact/small_pair.json"
    for name in ("drawings", "ample/own_drawings", "./own_drawings", "swin", "own_drawings.yaml"):
        assert by_name.find_file(name) == name


def test_a_file_that_is_there_wins_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_drawings").mkdir()  # of the user
    assert load_config("own_drawings").OUTPUT_DIR == "logs/own_drawings"
    (tmp_path / "own_drawings.yml").write_text("SEED: 7")
    assert load_config("own_drawings.yml").SEED == 7


def test_every_file_has_its_name_and_a_comment(repository):
    files = {str(path.relative_to(repository / "configs"))[:-4] for path in (repository / "configs").rglob("*.yml")}
    files -= {"sweeps/ranking", "sweeps/training"}  # spaces
    assert set(by_name.names()) == files
    for name in files:
        assert by_name.find_file(name) == str(repository / "configs" / f"{name}.yml")
        assert len(by_name.first_comment(name)) > 20 and "_BASE_" not in by_name.first_comment(name), name


def test_unclear_names_are_answered_with_those_there_are(write, complaints, monkeypatch, tmp_path):
    for name in ("a/first.yml", "b/first.yml", "b/second.yml"):
        write(f"configs/{name}", "SEED: 1")
    write("mine.yml", "_BASE_: second.yml")
    monkeypatch.setattr(by_name, "FOLDER", tmp_path / "configs")
    assert complaints("first") == ["first: several configurations have this name; write a/first.yml or b/first.yml"]
    assert load_config("b/first").SEED == 1
    assert load_config("default").MODEL.WEIGHTS == default_network.WEIGHTS  # the network in the box
    for given, hint in (
        ("secnd", "; did you mean b/second?"),
        ("c/second.yml", "; did you mean b/second?"),
        ("mein.yml", "; did you mean mine.yml?"),  # a file of the folder before a name
        ("else", ""),
    ):
        assert complaints(given) == [f"{given}: no such file{hint}"]
    assert complaints("mine.yml") == ["mine.yml:1: _BASE_ names second.yml: no such file"]  # a base is a file
