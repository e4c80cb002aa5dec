"""Values of the right type that cannot be meant."""

import pytest

from fastpatent.config import get_cfg, load_config
from fastpatent.config.checks import RULES, broken_rules
from fastpatent.config.names import section_of


def test_defaults_break_no_rule():
    assert list(broken_rules(get_cfg())) == []


@pytest.mark.parametrize("key", RULES)
def test_every_rule_is_about_a_key(key):
    assert section_of(get_cfg(), key) is not None


@pytest.mark.parametrize(
    "key, value, requirement",
    [
        ("TEST.METRIC", "cosin", "must be cosine, euclidean or normalized_euclidean, got 'cosin'"),
        ("TEST.PRECISION", "fp64", "must be fp32, bf16 or fp16, got 'fp64'"),
        ("TEST.BEST_METRIC", "map", "must be mAP, mAP@10, mAP@R, mINP, Acc@1, Acc@5, Acc@10 or Acc@20, got 'map'"),
        ("SOLVER.SCHED", "Cosine", "must be MultiStepLR or CosineAnnealingLR, got 'Cosine'"),
        ("SOLVER.WARMUP_METHOD", "exp", "must be linear or constant, got 'exp'"),
        ("INPUT.PADDING.MODE", "white", "must be constant, edge, reflect or symmetric, got 'white'"),
        ("MODEL.HEADS.NECK_FEAT", "both", "must be before or after, got 'both'"),
        ("INPUT.SIZE_TRAIN", "[256]", "must be two sizes above 0, [height, width], got [256]"),
        ("INPUT.SIZE_TEST", "[0, 256]", "must be two sizes above 0, [height, width], got [0, 256]"),
        ("INPUT.CROP.SCALE", "[1, 0.2]", "must be two fractions of the area, [smallest, largest], got [1.0, 0.2]"),
        ("INPUT.FLIP.PROB", "50", "must be between 0 and 1, got 50.0"),
        ("INPUT.PADDING.VALUE", "256", "must be between 0 (black) and 255 (white), got 256"),
        ("SOLVER.BASE_LR", "-0.1", "must be above 0, got -0.1"),
        ("SOLVER.BASE_LR", "1e999", "must be above 0, got inf"),
        ("SOLVER.MAX_EPOCH", "0", "must be at least 1, got 0"),
        ("SOLVER.MOMENTUM", "1.0", "must be at least 0 and below 1, got 1.0"),
        ("SOLVER.STEPS", "[-3]", "must be epochs above 0, got [-3]"),
        ("DATALOADER.NUM_WORKERS", "-1", "must be at least 0, got -1"),
        ("MODEL.FREEZE_LAYERS", "[3]", "must be names of parts of the network, got [3]"),
        ("MODEL.LOSSES.CE.EPSILON", "1", "must be at least 0 and below 1, or -1 (adaptive), got 1.0"),
        ("MODEL.PIXEL_STD", "[0, 1, 1]", "must be one number above 0, or three, got [0.0, 1.0, 1.0]"),
    ],
)
def test_broken_rule(complaints, key, value, requirement):
    assert complaints(overrides=[key, value]) == [f"command line: {key} {requirement}"]


def test_mean_and_deviation_must_match(write, complaints):
    name = write("a.yml", "MODEL:\n  PIXEL_MEAN: [127.5]\n")
    assert complaints(name) == [
        "a.yml:2: MODEL.PIXEL_MEAN must be as long as its companion: PIXEL_MEAN and PIXEL_STD have 1 and 3 values"
    ]


@pytest.mark.parametrize(
    "key, value",
    [
        ("MODEL.LOSSES.CE.EPSILON", "-1"),
        ("SOLVER.CLIP_GRADIENTS.NORM_TYPE", "1e999"),
        ("TEST.EVAL_PERIOD", "0"),
        ("SOLVER.STEPS", "[]"),
        ("MODEL.LOSSES.TRI.MARGIN", "0"),
    ],
)
def test_unusual_values_that_mean_something(key, value):
    load_config(overrides=[key, value])


def test_rule_broken_in_a_base_and_mended_by_the_file(write):
    write("a.yml", "TEST: {METRIC: cosin}")
    assert load_config(write("b.yml", "_BASE_: a.yml\nTEST: {METRIC: cosine}")).TEST.METRIC == "cosine"
