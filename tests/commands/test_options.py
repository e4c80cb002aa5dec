"""The shared command line: a file, options, then KEY VALUE pairs."""

import pytest

from fastpatent.commands import main
from fastpatent.commands.options import config_parser, load_from, load_in_use_from
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG, WEIGHTS


@pytest.fixture
def parser():
    parser = config_parser("fastpatent job", "A job.")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--num-gpus", type=int, default=1)
    return parser


def test_options_stand_before_the_pairs(parser):
    args = parser.parse_args(["--config-file", "a.yml", "--resume", "--num-gpus", "2", "SOLVER.BASE_LR", "-1e-4"])
    assert (args.config_file, args.resume, args.num_gpus) == ("a.yml", True, 2)
    assert args.opts == ["SOLVER.BASE_LR", "-1e-4"]


def test_nothing_given_is_the_defaults(parser):
    args = parser.parse_args([])
    assert (args.config_file, args.opts, args.resume) == (None, [], False)
    assert load_from(args).SOLVER.MAX_EPOCH == 120


def test_file_and_pairs_are_merged(parser, tmp_path):
    path = tmp_path / "a.yml"
    path.write_text("SEED: 1\nOUTPUT_DIR: a\n")
    cfg = load_from(parser.parse_args(["--config-file", str(path), "SEED", "2"]))
    assert (cfg.SEED, cfg.OUTPUT_DIR) == (2, "a")


def test_without_a_file_the_network_in_the_box_is_used(parser, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.chdir(tmp_path)
    for words in (["INPUT.SIZE_TEST", "[64,64]"], ["MODEL.WEIGHTS", "default"]):
        assert load_in_use_from(parser.parse_args(words)) == load_config(CONFIG, words)
        assert caplog.messages == [f"no --config-file is given: this is the network in the box, {CONFIG}"]
        caplog.clear()
    for words in (["MODEL.WEIGHTS", "a.pth"], ["DESCRIPTOR.NAME", "hog"], ["TEST.ENSEMBLE.CONFIGS", "[a.yml]"]):
        assert load_in_use_from(parser.parse_args(words)) == load_config(overrides=words)
    (tmp_path / "a.yml").write_text("MODEL: {WEIGHTS: default}\n")
    cfg = load_in_use_from(parser.parse_args(["--config-file", "a.yml"]))
    assert cfg == load_config("a.yml") and cfg.MODEL.WEIGHTS == WEIGHTS and not caplog.messages


def test_training_needs_a_configuration(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for words in ([], ["DATASETS.ROOT", "mine"]):
        assert main(["train", *words]) == 1
        assert capfd.readouterr().err == (
            "error: give a configuration: for your own drawings --config-file own_drawings DATASETS.ROOT FOLDER; "
            "fastpatent config --list names the others\n"
        )
    assert not list(tmp_path.iterdir())
