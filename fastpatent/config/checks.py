"""What each value may be: the mistakes of the right type that would stop a run only hours later."""

import math

BEST_METRICS = ("mAP", "mAP@10", "mAP@R", "mINP", "Acc@1", "Acc@5", "Acc@10", "Acc@20")


def broken_rules(cfg):
    """Yield (dotted key, sentence's end) for every value of the merged configuration that cannot be meant."""
    for key, (test, requirement) in RULES.items():
        value = cfg
        for name in key.split("."):
            value = value[name]
        if not test(value):
            yield key, f"must be {requirement}, got {value!r}"
    if cfg.INPUT.FIT != "paper" and not cfg.INPUT.KEEP_ASPECT:
        yield "INPUT.FIT", f"is {cfg.INPUT.FIT}, which needs INPUT.KEEP_ASPECT True"
    ensemble = cfg.TEST.ENSEMBLE
    if ensemble.WEIGHTS and len(ensemble.WEIGHTS) != len(ensemble.CONFIGS):
        found = f"{len(ensemble.WEIGHTS)} weights for {len(ensemble.CONFIGS)} networks"
        yield "TEST.ENSEMBLE.WEIGHTS", f"must be as many as TEST.ENSEMBLE.CONFIGS, or none: {found}"
    if not all(map(_above_zero, ensemble.WEIGHTS)):
        yield "TEST.ENSEMBLE.WEIGHTS", f"must be above 0, got {list(ensemble.WEIGHTS)!r}"
    if len(cfg.MODEL.PIXEL_MEAN) != len(cfg.MODEL.PIXEL_STD):
        lengths = f"{len(cfg.MODEL.PIXEL_MEAN)} and {len(cfg.MODEL.PIXEL_STD)}"
        for key in ("MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"):
            yield key, f"must be as long as its companion: PIXEL_MEAN and PIXEL_STD have {lengths} values"


def _one_of(*choices):
    return (lambda value: value in choices), f"{', '.join(choices[:-1])} or {choices[-1]}"


def _at_least(low):
    return (lambda value: low <= value < math.inf), f"at least {low}"


def _above_zero(value):
    return 0 < value < math.inf


def _is_range(value):
    return len(value) == 2 and 0 < value[0] <= value[1] < math.inf


POSITIVE = (_above_zero, "above 0")
FRACTION = ((lambda value: 0 <= value <= 1), "between 0 and 1")
SIZE = ((lambda value: len(value) == 2 and min(value) > 0), "two sizes above 0, [height, width]")
CHANNELS = ((lambda value: len(value) in (1, 3) and all(map(math.isfinite, value))), "one number, or three")

AREA = ((lambda value: _is_range(value) and value[1] <= 1), "two fractions of the area, [smallest, largest]")

RULES = {
    "SEED": _at_least(0),
    "MODEL.FREEZE_LAYERS": ((lambda value: all(isinstance(name, str) for name in value)), "names of parts of the network"),
    "MODEL.PIXEL_MEAN": CHANNELS,
    "MODEL.PIXEL_STD": ((lambda value: CHANNELS[0](value) and min(value) > 0), "one number above 0, or three"),
    "MODEL.BACKBONE.LAST_STRIDE": _at_least(1),
    "MODEL.BACKBONE.DROP_PATH_RATIO": ((lambda value: 0 <= value < 1), "at least 0 and below 1"),
    "MODEL.HEADS.NUM_CLASSES": _at_least(0),
    "MODEL.HEADS.EMBEDDING_DIM": _at_least(0),
    "MODEL.HEADS.NECK_FEAT": _one_of("before", "after"),
    "MODEL.HEADS.SCALE": POSITIVE,
    "MODEL.HEADS.DROPOUT": ((lambda value: 0 <= value < 1), "at least 0 and below 1"),
    "MODEL.HEADS.SUB_CENTERS": _at_least(1),
    "MODEL.HEADS.SAMPLED_CLASSES": _at_least(0),
    "MODEL.TOWER_WEIGHTS": ((lambda value: len(value) == 2), "two paths, for drawings and for photographs"),
    "MODEL.LOSSES.FL.ALPHA": POSITIVE,
    "MODEL.LOSSES.FL.GAMMA": _at_least(0),
    "MODEL.LOSSES.MINED.MARGIN": _at_least(0),
    "MODEL.LOSSES.XBM.SIZE": _at_least(1),
    "MODEL.LOSSES.XBM.START_ITER": _at_least(0),
    "MODEL.LOSSES.CE.EPSILON": ((lambda value: 0 <= value < 1 or value == -1), "at least 0 and below 1, or -1 (adaptive)"),
    "MODEL.LOSSES.TRI.MARGIN": _at_least(0),
    "MODEL.LOSSES.CIRCLE.GAMMA": POSITIVE,
    "MODEL.LOSSES.COSFACE.GAMMA": POSITIVE,
    **{f"MODEL.LOSSES.{name}.SCALE": _at_least(0) for name in ("CE", "FL", "TRI", "CIRCLE", "COSFACE", "MINED")},
    **{f"DESCRIPTOR.VOCABULARY.{name}": _at_least(1) for name in ("WORDS", "DIM", "DRAWINGS")},
    "MODEL.CLIP.LOSS": _one_of("clip", "siglip"),
    "MODEL.CLIP.POSITIVES": _one_of("pair", "identity", "class"),
    "MODEL.CLIP.LOCK": ((lambda value: set(value) <= {"image", "text"}), "some of image and text"),
    "MODEL.CLIP.CHUNK": _at_least(0),
    "DATASETS.CAPTIONS.TEXT": _one_of("caption", "title", "description"),
    "TEST.TEXT_WEIGHT": FRACTION,
    "TEST.WISE_FT": FRACTION,
    "INPUT.SIZE_TRAIN": SIZE,
    "INPUT.SIZE_TEST": SIZE,
    "INPUT.FIT": _one_of("paper", "crop", "shorter", "native"),
    "INPUT.INTERPOLATION": _one_of("bicubic", "bilinear"),
    "INPUT.CROP.SIZE": SIZE,
    "INPUT.CROP.SCALE": AREA,
    "INPUT.REA.AREA": AREA,
    "INPUT.ROTATE.DEGREES": ((lambda value: 0 <= value <= 180), "between 0 and 180"),
    "INPUT.CROP.RATIO": (_is_range, "two ratios above 0, [smallest, largest]"),
    "INPUT.PADDING.MODE": _one_of("constant", "edge", "reflect", "symmetric"),
    "INPUT.PADDING.SIZE": _at_least(0),
    "INPUT.PADDING.VALUE": ((lambda value: 0 <= value <= 255), "between 0 (black) and 255 (white)"),
    **{f"INPUT.{name}.PROB": FRACTION for name in ("FLIP", "CJ", "AUTOAUG", "AUGMIX", "REA", "BLUR", "ROTATE")},
    "INPUT.CJ.BRIGHTNESS": _at_least(0),
    "INPUT.CJ.CONTRAST": _at_least(0),
    "INPUT.REA.VALUE": CHANNELS,
    "INPUT.BLUR.SIGMA": (_is_range, "two sizes in pixels above 0, [smallest, largest]"),
    "INPUT.AUGMENT_ON": _one_of("auto", "workers", "device"),
    "DATASETS.DRAWINGS.VAL_FRACTION": ((lambda value: 0 < value < 1), "above 0 and below 1"),
    "DATALOADER.NUM_INSTANCE": _at_least(1),
    "DATALOADER.NUM_WORKERS": _at_least(0),
    **{f"DATALOADER.MINING.{name}": _at_least(1) for name in ("QUERIES", "POOL", "NEGATIVES")},
    "SOLVER.MAX_EPOCH": _at_least(1),
    "SOLVER.BASE_LR": POSITIVE,
    "SOLVER.HEADS_LR_FACTOR": _at_least(0),
    "SOLVER.BIAS_LR_FACTOR": _at_least(0),
    "SOLVER.CLASSIFIER_LR_FACTOR": _at_least(0),
    "SOLVER.LAYER_DECAY": ((lambda value: 0 < value <= 1), "above 0 and at most 1"),
    "SOLVER.EMA.DECAY": ((lambda value: 0 <= value < 1), "at least 0 and below 1"),
    "SOLVER.MOMENTUM": ((lambda value: 0 <= value < 1), "at least 0 and below 1"),
    "SOLVER.WEIGHT_DECAY": _at_least(0),
    "SOLVER.WEIGHT_DECAY_NORM": _at_least(0),
    "SOLVER.WEIGHT_DECAY_BIAS": _at_least(0),
    "SOLVER.SCHED": _one_of("MultiStepLR", "CosineAnnealingLR"),
    "SOLVER.DELAY_EPOCHS": _at_least(0),
    "SOLVER.GAMMA": POSITIVE,
    "SOLVER.STEPS": ((lambda value: all(step > 0 for step in value)), "epochs above 0"),
    "SOLVER.ETA_MIN_LR": _at_least(0),
    "SOLVER.WARMUP_FACTOR": FRACTION,
    "SOLVER.WARMUP_ITERS": _at_least(0),
    "SOLVER.WARMUP_METHOD": _one_of("linear", "constant"),
    "SOLVER.FREEZE_ITERS": _at_least(0),
    "SOLVER.CHECKPOINT_PERIOD": _at_least(1),
    "SOLVER.IMS_PER_BATCH": _at_least(1),
    "SOLVER.GRAD_ACCUM_STEPS": _at_least(1),
    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": _one_of("norm", "value"),
    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": POSITIVE,
    "SOLVER.CLIP_GRADIENTS.NORM_TYPE": ((lambda value: value > 0), "above 0, or .inf"),
    "TEST.EVAL_PERIOD": _at_least(0),
    "TEST.BEST_METRIC": _one_of(*BEST_METRICS),
    "TEST.IMS_PER_BATCH": _at_least(1),
    "TEST.PRECISION": _one_of("fp32", "bf16", "fp16"),
    "TEST.METRIC": _one_of("cosine", "euclidean", "normalized_euclidean"),
    "TEST.SCALES": ((lambda value: len(value) > 0 and all(map(_above_zero, value))), "sizes above 0, 1.0 the drawing's own"),
    "TEST.WHITENING.DIM": _at_least(0),
    "TEST.WHITENING.DRAWINGS": _at_least(2),
    "TEST.AQE.ALPHA": _at_least(0),
    "TEST.AQE.QE_TIME": _at_least(1),
    "TEST.AQE.QE_K": _at_least(1),
    "TEST.AQE.SIDE": _one_of("both", "query", "database"),
    "TEST.RERANK.K1": _at_least(1),
    "TEST.RERANK.K2": _at_least(1),
    "TEST.RERANK.LAMBDA": FRACTION,
    "BENCHMARK.RESAMPLES": _at_least(1),
}
