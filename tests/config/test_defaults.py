"""The defaults are those that users of fast-reid know: read off its documented keys a second time, by hand."""

import ast

from fastpatent.config import get_cfg
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves

MEAN = [0.485 * 255, 0.456 * 255, 0.406 * 255]
KNOWN = {
    "MODEL": "DEVICE 'cuda', META_ARCHITECTURE 'Baseline', FREEZE_LAYERS [], QUEUE_SIZE 8192, WEIGHTS ''",
    "MODEL.BACKBONE": "NAME 'build_resnet_backbone', DEPTH '50x', LAST_STRIDE 1, FEAT_DIM 2048, NORM 'BN', WITH_IBN False, "
    "WITH_SE False, WITH_NL False, SIE_COE 3.0, STRIDE_SIZE (16;16), DROP_PATH_RATIO .1, DROP_RATIO 0., ATT_DROP_RATE 0., "
    "PRETRAIN False, PRETRAIN_PATH ''",
    "MODEL.HEADS": "NAME 'EmbeddingHead', NORM 'BN', NUM_CLASSES 0, EMBEDDING_DIM 0, WITH_BNNECK False, NECK_FEAT 'before', "
    "POOL_LAYER 'GlobalAvgPool', CLS_LAYER 'Linear', MARGIN 0., SCALE 1",
    "MODEL.LOSSES": "NAME ('CrossEntropyLoss';)",
    "MODEL.LOSSES.CE": "EPSILON 0., ALPHA .2, SCALE 1.",
    "MODEL.LOSSES.FL": "ALPHA .25, GAMMA 2., SCALE 1.",
    "MODEL.LOSSES.TRI": "MARGIN .3, NORM_FEAT False, HARD_MINING False, SCALE 1.",
    "MODEL.LOSSES.CIRCLE": "MARGIN .25, GAMMA 128, SCALE 1.",
    "MODEL.LOSSES.COSFACE": "MARGIN .25, GAMMA 128, SCALE 1.",
    "KD": "MODEL_CONFIG [], MODEL_WEIGHTS []",
    "KD.EMA": "ENABLED False, MOMENTUM .999",
    "INPUT": "SIZE_TRAIN [256;128], SIZE_TEST [256;128]",
    "INPUT.CROP": "ENABLED False, SIZE [224;224], SCALE [.16;1.]",
    "INPUT.FLIP": "ENABLED False, PROB .5",
    "INPUT.PADDING": "ENABLED False, MODE 'constant', SIZE 10",
    "INPUT.CJ": "ENABLED False, PROB .5, BRIGHTNESS .15, CONTRAST .15, SATURATION .1, HUE .1",
    "INPUT.AFFINE": "ENABLED False",
    "INPUT.AUTOAUG": "ENABLED False, PROB 0.",
    "INPUT.AUGMIX": "ENABLED False, PROB 0.",
    "INPUT.REA": "ENABLED False, PROB .5",
    "INPUT.RPT": "ENABLED False, PROB .5",
    "DATASETS": "NAMES ('Market1501';), TESTS ('Market1501';), COMBINEALL False",
    "DATALOADER": "SAMPLER_TRAIN 'TrainingSampler', NUM_INSTANCE 4, NUM_WORKERS 8, SET_WEIGHT []",
    "SOLVER": "OPT 'Adam', MAX_EPOCH 120, BASE_LR 3e-4, HEADS_LR_FACTOR 1., MOMENTUM .9, NESTEROV False, WEIGHT_DECAY 5e-4, "
    "WEIGHT_DECAY_NORM 5e-4, WEIGHT_DECAY_BIAS 5e-4, BIAS_LR_FACTOR 1., SCHED 'MultiStepLR', DELAY_EPOCHS 0, GAMMA .1, "
    "STEPS [30;55], ETA_MIN_LR 1e-7, WARMUP_FACTOR .1, WARMUP_ITERS 1000, WARMUP_METHOD 'linear', FREEZE_ITERS 0, "
    "CHECKPOINT_PERIOD 20, IMS_PER_BATCH 64",
    "SOLVER.AMP": "ENABLED False",
    "SOLVER.CLIP_GRADIENTS": "ENABLED False, CLIP_TYPE 'norm', CLIP_VALUE 5., NORM_TYPE 2.",
    "TEST": "EVAL_PERIOD 20, IMS_PER_BATCH 64, METRIC 'cosine'",
    "TEST.ROC": "ENABLED False",
    "TEST.FLIP": "ENABLED False",
    "TEST.AQE": "ENABLED False, ALPHA 3., QE_TIME 1, QE_K 5",
    "TEST.RERANK": "ENABLED False, K1 20, K2 6, LAMBDA .3",
    "TEST.PRECISE_BN": "ENABLED False, DATASET 'Market1501', NUM_ITER 300",
    "": "OUTPUT_DIR 'logs/', CUDNN_BENCHMARK False",
}


def known_values():
    values = {"MODEL.PIXEL_MEAN": MEAN, "MODEL.PIXEL_STD": [0.229 * 255, 0.224 * 255, 0.225 * 255]}
    values |= {"INPUT.REA.VALUE": MEAN, "INPUT.CROP.RATIO": [3 / 4, 4 / 3]}
    for section, listed in KNOWN.items():
        for entry in listed.split(", "):
            name, value = entry.split(" ", 1)
            values[f"{section}.{name}".lstrip(".")] = ast.literal_eval(value.replace(";", ","))
    return values


def test_values_and_types_are_those_of_fast_reid():
    found = dict(leaves(get_cfg()))
    for key, expected in known_values().items():
        assert found[key] == expected and type(found[key]) is type(expected), key


def test_the_keys_that_are_not_ours_are_those_of_fast_reid():
    assert {name for name, key in KEYS.items() if not key.ours} == set(known_values())


def test_each_call_returns_its_own_lists():
    get_cfg().MODEL.PIXEL_MEAN.append(1.0)
    assert len(get_cfg().MODEL.PIXEL_MEAN) == 3
