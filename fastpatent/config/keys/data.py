"""Keys of images, data sets and loaders: INPUT, DATASETS and DATALOADER."""

from functools import partial

from fastpatent.config.key import (
    AREA,
    CHANNELS,
    FRACTION,
    NETWORK,
    NONE,
    SIZE,
    Component,
    Key,
    Rule,
    at_least,
    is_range,
    one_of,
)
from fastpatent.config.keys.model import IMAGENET_MEAN
from fastpatent.registry import DATASETS, SAMPLERS

GREY = Rule(lambda value: 0 <= value <= 255, "between 0 (black) and 255 (white)")
COLOUR = Rule(
    lambda value: CHANNELS.test(value) and 0 <= sum(value) / len(value) <= 255,
    "one number, or three, with a mean from 0 to 255",
)
ANGLE = Rule(lambda value: 0 <= value <= 180, "between 0 and 180")
RATIOS = Rule(is_range, "two ratios above 0, [smallest, largest]")
SIGMAS = Rule(is_range, "two sizes in pixels above 0, [smallest, largest]")
SHARE = Rule(lambda value: 0 < value < 1, "above 0 and below 1")

Training = partial(Key, features=NONE)
Ours = partial(Key, features=NONE, ours=True)
Ignored = partial(Key, features=NONE, ignored=True)
Resize = partial(Key, features=NETWORK, ours=True)

KEYS = (
    # timm models are built for the size of training, so it may decide the features of a network
    Key("INPUT.SIZE_TRAIN", [256, 128], "[height, width] in training", SIZE, NETWORK),
    Key("INPUT.SIZE_TEST", [256, 128], "[height, width] in evaluation", SIZE, NETWORK),
    Resize("INPUT.KEEP_ASPECT", False, "fit the image to the size as `INPUT.FIT` says instead of stretching it"),
    Resize(
        "INPUT.FIT",
        "paper",
        "paper: inside, on white; crop: shorter side to size, then a window; shorter: no window; native: as scanned",
        one_of("paper", "crop", "shorter", "native"),
    ),
    Resize("INPUT.INTERPOLATION", "bicubic", "filter of the resize, anti-aliased", one_of("bicubic", "bilinear")),
    Training("INPUT.CROP.ENABLED", False, "random resized crop"),
    Training("INPUT.CROP.SIZE", [224, 224], "its size, [height, width]", SIZE),
    Training("INPUT.CROP.SCALE", [0.16, 1.0], "its area, as fractions of the image", AREA),
    Training("INPUT.CROP.RATIO", [3 / 4, 4 / 3], "its aspect, width / height", RATIOS),
    Training("INPUT.FLIP.ENABLED", False, "random horizontal flip"),
    Training("INPUT.FLIP.PROB", 0.5, "probability of the flip", FRACTION),
    Training("INPUT.PADDING.ENABLED", False, "pad, then crop at random"),
    Training("INPUT.PADDING.MODE", "constant", "what is padded with", one_of("constant", "edge", "reflect", "symmetric")),
    Training("INPUT.PADDING.SIZE", 10, "pixels on each side", at_least(0)),
    Ours("INPUT.PADDING.VALUE", 0, "grey of the padding: 0 black as published, 255 white paper", GREY),
    Training("INPUT.CJ.ENABLED", False, "random brightness and contrast"),
    Training("INPUT.CJ.PROB", 0.5, "probability of the jitter", FRACTION),
    Training("INPUT.CJ.BRIGHTNESS", 0.15, "largest change of brightness", at_least(0)),
    Training("INPUT.CJ.CONTRAST", 0.15, "largest change of contrast", at_least(0)),
    Ignored("INPUT.CJ.SATURATION", 0.1, "a grey image has no saturation"),
    Ignored("INPUT.CJ.HUE", 0.1, "a grey image has no hue"),
    Training("INPUT.AFFINE.ENABLED", False, "random rotation, scale and shear"),
    Training("INPUT.AUTOAUG.ENABLED", False, "AutoAugment with the ImageNet policy"),
    Training("INPUT.AUTOAUG.PROB", 0.0, "probability of AutoAugment", FRACTION),
    Training("INPUT.AUGMIX.ENABLED", False, "AugMix"),
    Training("INPUT.AUGMIX.PROB", 0.0, "probability of AugMix", FRACTION),
    Training("INPUT.REA.ENABLED", False, "random erasing"),
    Training("INPUT.REA.PROB", 0.5, "probability of the erasing", FRACTION),
    Training("INPUT.REA.VALUE", list(IMAGENET_MEAN), "colour of the erased rectangle", COLOUR),
    Ours("INPUT.REA.AREA", [0.02, 0.33], "its area, as fractions of the image", AREA),
    Ours("INPUT.ROTATE.ENABLED", False, "random rotation"),
    Ours("INPUT.ROTATE.PROB", 0.5, "probability of the rotation", FRACTION),
    Ours("INPUT.ROTATE.DEGREES", 10.0, "largest angle to either side", ANGLE),
    Ours("INPUT.BLUR.ENABLED", False, "random Gaussian blur"),
    Ours("INPUT.BLUR.PROB", 0.5, "probability of the blur", FRACTION),
    Ours("INPUT.BLUR.SIGMA", [0.1, 1.0], "smallest and largest sigma, in pixels", SIGMAS),
    Ours(
        "INPUT.AUGMENT_ON",
        "auto",
        "workers: image by image; device: a batch at a time where the network is; auto: device on a GPU",
        one_of("auto", "workers", "device"),
    ),
    Ignored("INPUT.RPT.ENABLED", False, "random patches"),
    Ignored("INPUT.RPT.PROB", 0.5, "random patches"),
    Ours("DATASETS.ROOT", "datasets", "folder that holds the data"),
    Ours("DATASETS.PACKS", "packs", "folder of packs, inside `DATASETS.ROOT` or absolute; empty: use no pack"),
    Training("DATASETS.NAMES", ("Market1501",), "data sets to train on", Component(DATASETS)),
    Training("DATASETS.TESTS", ("Market1501",), "data sets to evaluate on", Component(DATASETS)),
    Training("DATASETS.COMBINEALL", False, "train on queries and galleries too"),
    Ours(
        "DATASETS.CAPTIONS.TEXT",
        "caption",
        "which text goes with an image",
        one_of("caption", "title", "description"),
    ),
    Ours("DATASETS.CAPTIONS.TRAIN", "", "CSV file (filepath, caption) that `Captioned` trains on"),
    Ours("DATASETS.CAPTIONS.TEST", "", "CSV file (filepath, caption) that `Captioned` evaluates on"),
    Ours("DATASETS.CAPTIONS.TABLE.FILE", "", "CSV or Parquet table of texts by identity, for any data set"),
    Ours("DATASETS.CAPTIONS.TABLE.IDENTITY", "id", "its column of identities"),
    Ours("DATASETS.CAPTIONS.TABLE.TEXT", "title", "its column of texts"),
    Ours("DATASETS.CAPTIONS.TABLE.CLASS", "", "its column of classes"),
    Ours("DATASETS.DRAWINGS.VAL_FRACTION", 0.2, "share of the identities of `Drawings` for validation", SHARE),
    Ours("DATASETS.DRAWINGS.SEED", 0, "which identities these are"),
    Training("DATALOADER.SAMPLER_TRAIN", "TrainingSampler", "the sampler", Component(SAMPLERS)),
    Training("DATALOADER.NUM_INSTANCE", 4, "images of an identity in a batch", at_least(1)),
    Training("DATALOADER.NUM_WORKERS", 8, "processes that read images; at most one per core", at_least(0)),
    Ignored("DATALOADER.SET_WEIGHT", [], "of fast-reid's SetReWeightSampler"),
    Ours("DATALOADER.MINING.QUERIES", 2000, "tuples that `MinedTupleSampler` mines for an epoch", at_least(1)),
    Ours("DATALOADER.MINING.POOL", 20000, "random images that negatives are mined from", at_least(1)),
    Ours("DATALOADER.MINING.NEGATIVES", 5, "negatives of a tuple", at_least(1)),
)
