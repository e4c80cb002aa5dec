"""The shared command line: a file, options, then KEY VALUE pairs."""

import pytest

from fastpatent.commands.options import config_parser, load_from


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
