"""Keys of images, data sets and loaders: INPUT, DATASETS and DATALOADER."""

from fastpatent.config.key import (
    AREA,
    BELOW_ONE,
    CHANNELS,
    FIXED,
    FRACTION,
    NETWORK,
    SIDE,
    SIZE,
    Component,
    Ignored,
    Key,
    Network,
    NoFeature,
    OurNetwork,
    OurNoFeature,
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
LARGEST_CHANGE = 2  # pixels; the darkest and the lightest of 3 x 3 pixels change lines by no more
SHARE = Rule(lambda value: 0 < value < 1, "above 0 and below 1")

KEYS = (
    # timm models are built for the size of training, so it may decide the features of a network
    Key("INPUT.SIZE_TRAIN", [256, 128], "[height, width] in training", SIZE, NETWORK, resumed=FIXED),
    Key("INPUT.SIZE_TEST", [256, 128], "[height, width] in evaluation", SIZE, NETWORK),
    OurNetwork("INPUT.KEEP_ASPECT", False, "fit the image to the size as `INPUT.FIT` says instead of stretching it"),
    OurNetwork(
        "INPUT.FIT",
        "paper",
        "paper: inside, on white; crop: shorter side to size, then a window; shorter: no window; native: as scanned",
        one_of("paper", "crop", "shorter", "native"),
    ),
    OurNetwork("INPUT.INTERPOLATION", "bicubic", "filter of the resize, anti-aliased", one_of("bicubic", "bilinear")),
    Key(
        "INPUT.INVERT",
        "never",
        "auto: images that are white on black, photographs too, are read as black on white",
        one_of("never", "auto"),
        ours=True,
    ),
    OurNoFeature(
        "INPUT.MAX_PIXELS",
        178_956_970,
        "most pixels of an image file (of a WebP a third); one that claims more is not decoded",
        at_least(1),
    ),
    Network("INPUT.CROP.ENABLED", False, "random resized crop in training, centre crop in evaluation"),
    Network("INPUT.CROP.SIZE", [224, 224], "its size, [height, width]", SIZE),
    NoFeature("INPUT.CROP.SCALE", [0.16, 1.0], "area of the random crop, as fractions of the image", AREA),
    NoFeature("INPUT.CROP.RATIO", [3 / 4, 4 / 3], "aspect of the random crop, width / height", RATIOS),
    NoFeature("INPUT.FLIP.ENABLED", False, "random horizontal flip"),
    NoFeature("INPUT.FLIP.PROB", 0.5, "probability of the flip", FRACTION),
    NoFeature("INPUT.PADDING.ENABLED", False, "pad, then crop at random"),
    NoFeature("INPUT.PADDING.MODE", "constant", "what is padded with", one_of("constant", "edge", "reflect", "symmetric")),
    NoFeature("INPUT.PADDING.SIZE", 10, "pixels on each side", at_least(0, SIDE)),
    # pads test images too, where CROP.SIZE is larger
    OurNetwork("INPUT.PADDING.VALUE", 0, "grey of the padding: 0 black as published, 255 white paper", GREY),
    NoFeature("INPUT.CJ.ENABLED", False, "random brightness and contrast"),
    NoFeature("INPUT.CJ.PROB", 0.5, "probability of the jitter", FRACTION),
    NoFeature("INPUT.CJ.BRIGHTNESS", 0.15, "largest change of brightness", at_least(0)),
    NoFeature("INPUT.CJ.CONTRAST", 0.15, "largest change of contrast", at_least(0)),
    Ignored("INPUT.CJ.SATURATION", 0.1, "a grey image has no saturation"),
    Ignored("INPUT.CJ.HUE", 0.1, "a grey image has no hue"),
    NoFeature("INPUT.AFFINE.ENABLED", False, "random rotation, scale and shear"),
    NoFeature("INPUT.AUTOAUG.ENABLED", False, "AutoAugment with the ImageNet policy"),
    NoFeature("INPUT.AUTOAUG.PROB", 0.0, "probability of AutoAugment", FRACTION),
    OurNoFeature(
        "INPUT.AUTOAUG.FILL", 128, "grey of what its rotations and shears uncover: 128 as published, 255 white", GREY
    ),
    NoFeature("INPUT.AUGMIX.ENABLED", False, "AugMix"),
    NoFeature("INPUT.AUGMIX.PROB", 0.0, "probability of AugMix", FRACTION),
    NoFeature("INPUT.REA.ENABLED", False, "random erasing"),
    NoFeature("INPUT.REA.PROB", 0.5, "probability of the erasing", FRACTION),
    NoFeature("INPUT.REA.VALUE", list(IMAGENET_MEAN), "colour of the erased rectangle", COLOUR),
    OurNoFeature("INPUT.REA.AREA", [0.02, 0.33], "its area, as fractions of the image", AREA),
    OurNoFeature("INPUT.ROTATE.ENABLED", False, "random rotation"),
    OurNoFeature("INPUT.ROTATE.PROB", 0.5, "probability of the rotation", FRACTION),
    OurNoFeature("INPUT.ROTATE.DEGREES", 10.0, "largest angle to either side", ANGLE),
    OurNoFeature("INPUT.BLUR.ENABLED", False, "random Gaussian blur"),
    OurNoFeature("INPUT.BLUR.PROB", 0.5, "probability of the blur", FRACTION),
    OurNoFeature("INPUT.BLUR.SIGMA", [0.1, 1.0], "smallest and largest sigma, in pixels", SIGMAS),
    OurNoFeature("INPUT.LINES.ENABLED", False, "another draughtsman's lines, for black on white"),
    OurNoFeature("INPUT.LINES.PROB", 0.5, "probability that the lines of an image change", FRACTION),
    OurNoFeature(
        "INPUT.LINES.WIDTH",
        1.0,
        "largest change of their width to both sides, in pixels of the training image",
        at_least(0, LARGEST_CHANGE),
    ),
    OurNoFeature("INPUT.LINES.DASH", 0.0, "probability that these lines become dashes too", FRACTION),
    OurNoFeature(
        "INPUT.AUGMENT_ON",
        "auto",
        "workers: image by image; device: a batch at a time where the network is; auto: device on a GPU",
        one_of("auto", "workers", "device"),
    ),
    Ignored("INPUT.RPT.ENABLED", False, "random patches"),
    Ignored("INPUT.RPT.PROB", 0.5, "random patches"),
    OurNoFeature("DATASETS.ROOT", "datasets", "folder that holds the data", path=True),
    OurNoFeature(
        "DATASETS.PACKS", "packs", "folder of packs, inside `DATASETS.ROOT` or absolute; empty: use no pack", path=True
    ),
    OurNoFeature(
        "DATASETS.FOLLOW_LINKS", False, "read images, and use packs, that links or listed paths take out of `DATASETS.ROOT`"
    ),
    NoFeature("DATASETS.NAMES", ("Market1501",), "data sets to train on", Component(DATASETS), resumed=FIXED),
    NoFeature("DATASETS.TESTS", ("Market1501",), "data sets to evaluate on", Component(DATASETS)),
    NoFeature("DATASETS.COMBINEALL", False, "train on queries and galleries too", resumed=FIXED),
    OurNoFeature(
        "DATASETS.CAPTIONS.TEXT",
        "caption",
        "which text goes with an image",
        one_of("caption", "title", "description"),
    ),
    OurNoFeature("DATASETS.CAPTIONS.TRAIN", "", "CSV file (filepath, caption) that `Captioned` trains on", path=True),
    OurNoFeature("DATASETS.CAPTIONS.TEST", "", "CSV file (filepath, caption) that `Captioned` evaluates on", path=True),
    OurNoFeature(
        "DATASETS.CAPTIONS.TABLE.FILE", "", "CSV or Parquet table of texts by identity, for any data set", path=True
    ),
    OurNoFeature("DATASETS.CAPTIONS.TABLE.IDENTITY", "id", "its column of identities"),
    OurNoFeature("DATASETS.CAPTIONS.TABLE.TEXT", "title", "its column of texts"),
    OurNoFeature("DATASETS.CAPTIONS.TABLE.CLASS", "", "its column of classes"),
    OurNoFeature(
        "DATASETS.DRAWINGS.VAL_FRACTION", 0.2, "share of the identities of `Drawings` for validation", SHARE, resumed=FIXED
    ),
    OurNoFeature("DATASETS.DRAWINGS.SEED", 0, "which identities these are", resumed=FIXED),
    NoFeature("DATALOADER.SAMPLER_TRAIN", "TrainingSampler", "the sampler", Component(SAMPLERS), resumed=FIXED),
    NoFeature("DATALOADER.NUM_INSTANCE", 4, "images of an identity in a batch", at_least(1, 10**6), resumed=FIXED),
    NoFeature("DATALOADER.NUM_WORKERS", 8, "processes that read images; at most one per core", at_least(0)),
    OurNoFeature(
        "DATALOADER.MAX_BROKEN",
        0.001,
        "share of the images that a run passes over where they cannot be read, rounded up; 0: the first ends it",
        BELOW_ONE,
    ),
    Ignored("DATALOADER.SET_WEIGHT", [], "of fast-reid's SetReWeightSampler"),
    OurNoFeature(
        "DATALOADER.MINING.QUERIES", 2000, "tuples that `MinedTupleSampler` mines for an epoch", at_least(1), resumed=FIXED
    ),
    OurNoFeature("DATALOADER.MINING.POOL", 20000, "random images that negatives are mined from", at_least(1), resumed=FIXED),
    OurNoFeature("DATALOADER.MINING.NEGATIVES", 5, "negatives of a tuple", at_least(1, 1000), resumed=FIXED),
)
