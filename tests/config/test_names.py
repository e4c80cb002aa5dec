"""Dotted names: walking, finding, and the nearest valid one."""

from fastpatent.config import get_cfg
from fastpatent.config.names import leaves, nearest_key, section_of

NEAREST = {
    "MODEL.DEVIC": "MODEL.DEVICE",
    "SOLVER.BASE_LRR": "SOLVER.BASE_LR",
    "TEST.IMS_PER_BATC": "TEST.IMS_PER_BATCH",
    "SOLVER.METRIC": "TEST.METRIC",
    "SOLVER.EVAL_PERIOD": "TEST.EVAL_PERIOD",
    "MODEL.BACKBONE.NUM_CLASSES": "MODEL.HEADS.NUM_CLASSES",
    "MODLE": "MODEL",
    "MODLE.DEVICE": "MODEL.DEVICE",
    "MODEL.BACKBON.DEPTH": "MODEL.BACKBONE.DEPTH",
    "solver.base_lr": "SOLVER.BASE_LR",
    "INPUT.DO_FLIP": "INPUT.FLIP",
    "SOLVER.AMP_ENABLED": "SOLVER.AMP.ENABLED",
    "INPUT.PADDING_MODE": "INPUT.PADDING.MODE",
    "SOLVER.LR": "SOLVER.BASE_LR or SOLVER.HEADS_LR_FACTOR or SOLVER.CLASSIFIER_LR_FACTOR",
    "AQE": "TEST.AQE",
    "DATALOADER.SAMPLER": "DATALOADER.SAMPLER_TRAIN",
    "SOLVER.STEP": "SOLVER.STEPS",
}


def test_nearest():
    for wrong, right in NEAREST.items():
        assert nearest_key(wrong, get_cfg()) == f"; did you mean {right}?", wrong


def test_nearest_names_every_section_that_has_the_key():
    hint = nearest_key("IMS_PER_BATCH", get_cfg())
    assert "SOLVER.IMS_PER_BATCH" in hint and "TEST.IMS_PER_BATCH" in hint


def test_nothing_near_lists_the_section():
    for wrong, listed in (
        ("TEST.AQE.FROBNICATE", "TEST.AQE has ENABLED, ALPHA, QE_TIME, QE_K, SIDE, NORMALIZE"),
        ("INPUT.REA.COLOUR", "INPUT.REA has ENABLED, PROB, VALUE, AREA"),
        ("KD.XYZ", "KD has MODEL_CONFIG, MODEL_WEIGHTS, EMA"),
        ("XYZ", f"the first level has {', '.join(get_cfg())}"),
    ):
        assert nearest_key(wrong, get_cfg()) == f"; {listed}"


def test_every_leaf_is_found_by_its_name():
    cfg = get_cfg()
    for key, value in leaves(cfg):
        section, name = section_of(cfg, key)
        assert section[name] is value


def test_unknown_name_is_not_found():
    for key in ("NOPE", "MODEL.NOPE", "NOPE.DEVICE", "MODEL.DEVICE.X", ""):
        assert section_of(get_cfg(), key) is None, key
