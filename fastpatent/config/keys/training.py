"""Keys of the training loop: SOLVER. None of them decides the features of a trained network."""

from fastpatent.config.key import (
    BELOW_ONE,
    FIXED,
    FRACTION,
    POSITIVE,
    Component,
    NoFeature,
    OurNoFeature,
    Rule,
    at_least,
    one_of,
)
from fastpatent.registry import OPTIMIZERS

DECAY = Rule(lambda value: 0 < value <= 1, "above 0 and at most 1")
EPOCHS = Rule(lambda value: all(step > 0 for step in value), "epochs above 0")
ORDER = Rule(lambda value: value > 0, "above 0, or .inf")

KEYS = (
    NoFeature("SOLVER.AMP.ENABLED", False, "bf16 where the hardware has it, else fp16 on a GPU, else float32"),
    NoFeature("SOLVER.OPT", "Adam", "the optimizer, any of torch.optim that fits", Component(OPTIMIZERS), resumed=FIXED),
    NoFeature("SOLVER.MAX_EPOCH", 120, "epochs", at_least(1)),
    NoFeature("SOLVER.BASE_LR", 3e-4, "learning rate", POSITIVE),
    NoFeature("SOLVER.HEADS_LR_FACTOR", 1.0, "factor of the learning rate of the head", at_least(0)),
    OurNoFeature("SOLVER.CLASSIFIER_LR_FACTOR", 1.0, "factor of the class weights, times the head's", at_least(0)),
    OurNoFeature("SOLVER.LAYER_DECAY", 1.0, "factor between the learning rates of a backbone's layer and the next", DECAY),
    NoFeature("SOLVER.MOMENTUM", 0.9, "of SGD", BELOW_ONE),
    NoFeature("SOLVER.NESTEROV", False, "of SGD"),
    NoFeature("SOLVER.WEIGHT_DECAY", 5e-4, "of weights", at_least(0)),
    NoFeature("SOLVER.WEIGHT_DECAY_NORM", 5e-4, "of the scales of norms", at_least(0)),
    NoFeature("SOLVER.WEIGHT_DECAY_BIAS", 5e-4, "of biases", at_least(0)),
    NoFeature("SOLVER.BIAS_LR_FACTOR", 1.0, "factor of the learning rate of biases", at_least(0)),
    NoFeature("SOLVER.SCHED", "MultiStepLR", "learning rate over epochs", one_of("MultiStepLR", "CosineAnnealingLR")),
    NoFeature("SOLVER.DELAY_EPOCHS", 0, "epochs before the schedule begins", at_least(0)),
    NoFeature("SOLVER.GAMMA", 0.1, "factor of the learning rate at each of `SOLVER.STEPS`", POSITIVE),
    NoFeature("SOLVER.STEPS", [30, 55], "epochs of MultiStepLR, counted from the delay", EPOCHS),
    NoFeature("SOLVER.ETA_MIN_LR", 1e-7, "last learning rate of CosineAnnealingLR", at_least(0)),
    NoFeature("SOLVER.WARMUP_FACTOR", 0.1, "learning rate at the first iteration, as a factor", FRACTION),
    NoFeature("SOLVER.WARMUP_ITERS", 1000, "iterations of the warm-up", at_least(0)),
    NoFeature("SOLVER.WARMUP_METHOD", "linear", "shape of the warm-up", one_of("linear", "constant")),
    NoFeature("SOLVER.FREEZE_ITERS", 0, "iterations for which `MODEL.FREEZE_LAYERS` are frozen", at_least(0)),
    NoFeature("SOLVER.CHECKPOINT_PERIOD", 20, "epochs between checkpoints", at_least(1)),
    OurNoFeature("SOLVER.CHECKPOINTS_KEPT", 0, "how many of the last of them stay; 0: all", at_least(0)),
    NoFeature("SOLVER.IMS_PER_BATCH", 64, "images of a mini-batch, over all processes", at_least(1, 10**6), resumed=FIXED),
    OurNoFeature("SOLVER.GRAD_ACCUM_STEPS", 1, "parts in which a process computes its share of the batch", at_least(1)),
    OurNoFeature("SOLVER.EMA.ENABLED", False, "evaluate and save a moving average of the weights"),
    OurNoFeature("SOLVER.EMA.DECAY", 0.999, "decay of that average", BELOW_ONE),
    NoFeature("SOLVER.CLIP_GRADIENTS.ENABLED", False, "clip the gradients"),
    NoFeature(
        "SOLVER.CLIP_GRADIENTS.CLIP_TYPE",
        "norm",
        "norm: that of each group of parameters of one rate and decay; value: each number",
        one_of("norm", "value"),
    ),
    NoFeature("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", 5.0, "largest norm or value", POSITIVE),
    NoFeature("SOLVER.CLIP_GRADIENTS.NORM_TYPE", 2.0, "which norm", ORDER),
)
