"""Keys of evaluation and benchmark: TEST and BENCHMARK."""

from fastpatent.config.key import (
    FRACTION,
    NETWORK,
    Component,
    Ignored,
    Key,
    NoFeature,
    OurNetwork,
    OurNoFeature,
    Rule,
    at_least,
    is_positive,
    one_of,
)
from fastpatent.registry import DATASETS, DESCRIPTORS, METRICS

SCALES = Rule(lambda value: len(value) > 0 and all(0 < size <= 10 for size in value), "sizes up to 10, 1.0 the image's own")
FILES = Rule(lambda value: all(isinstance(name, str) for name in value), "names of files")
WEIGHTS = Rule(lambda value: all(map(is_positive, value)), "above 0")
AUTO = "auto"  # of TEST.BEST_METRIC

KEYS = (
    NoFeature("TEST.EVAL_PERIOD", 20, "epochs between evaluations; 0: only at the end", at_least(0)),
    OurNoFeature(
        "TEST.BEST_METRIC",
        [AUTO],
        "metric that chooses model_best.pth, or metrics whose mean does; auto: mAP, or mean-R where there are texts",
        Component(METRICS, (AUTO,)),
        single=True,
    ),
    NoFeature("TEST.IMS_PER_BATCH", 64, "images of a mini-batch", at_least(1, 10**6)),
    OurNetwork(
        "TEST.PRECISION",
        "fp32",
        "number format of the forward pass; tf32: faster than fp32 on an NVIDIA GPU, the same elsewhere",
        one_of("fp32", "tf32", "bf16", "fp16"),
    ),
    NoFeature("TEST.METRIC", "cosine", "how features are compared", one_of("cosine", "euclidean", "normalized_euclidean")),
    Ignored("TEST.ROC.ENABLED", False, "ROC curve"),
    Key("TEST.FLIP.ENABLED", False, "average with the features of the mirrored image", features=NETWORK),
    OurNetwork("TEST.SCALES", [1.0], "average the features of the image at these sizes", SCALES),
    OurNetwork("TEST.TURNS", False, "average with the features of the image turned by 90, 180 and 270 degrees"),
    OurNetwork(
        "TEST.NECK_FEAT",
        "after",
        "features after a head's neck, or before the last norm of the neck; without a norm (`WITH_BNNECK`) the same",
        one_of("after", "before"),
    ),
    OurNoFeature("TEST.WHITENING.ENABLED", False, "PCA whitening, learned on images of `DATASETS.NAMES`"),
    OurNoFeature("TEST.WHITENING.DIM", 0, "dimensions after whitening; 0: all", at_least(0)),
    OurNoFeature("TEST.WHITENING.DRAWINGS", 20000, "most images to learn it on", at_least(2)),
    OurNoFeature("TEST.ENSEMBLE.CONFIGS", [], "configuration files of networks whose features are joined", FILES, path=True),
    OurNoFeature("TEST.ENSEMBLE.WEIGHTS", [], "weight of each; none: all the same", WEIGHTS),
    NoFeature("TEST.AQE.ENABLED", False, "query expansion"),
    NoFeature("TEST.AQE.ALPHA", 3.0, "exponent of the similarity", at_least(0)),
    NoFeature("TEST.AQE.QE_TIME", 1, "rounds", at_least(1, 1000)),
    NoFeature("TEST.AQE.QE_K", 5, "neighbours averaged, the image itself included", at_least(1)),
    OurNoFeature(
        "TEST.AQE.SIDE",
        "both",
        "both: queries and gallery as published; query: alpha-QE; database: database-side augmentation",
        one_of("both", "query", "database"),
    ),
    OurNoFeature("TEST.AQE.NORMALIZE", False, "average rows of length 1"),
    OurNoFeature("TEST.TEXT_WEIGHT", 0.0, "share of a query's caption in its feature; 1: the text alone", FRACTION),
    OurNetwork(
        "TEST.WISE_FT",
        1.0,
        "weights between those of `MODEL.BACKBONE.PRETRAIN_PATH`, or `MODEL.CLIP.PRETRAINED` (0), and the trained ones (1)",
        FRACTION,
    ),
    OurNoFeature("TEST.CACHE_FEATURES", True, "cache features in OUTPUT_DIR/features"),
    NoFeature("TEST.RERANK.ENABLED", False, "k-reciprocal re-ranking"),
    NoFeature("TEST.RERANK.K1", 20, "neighbours that must be mutual", at_least(1)),
    NoFeature("TEST.RERANK.K2", 6, "neighbours whose encodings are averaged", at_least(1)),
    NoFeature("TEST.RERANK.LAMBDA", 0.3, "weight of the original distance", FRACTION),
    Ignored("TEST.PRECISE_BN.ENABLED", False, "statistics of batch norms computed anew"),
    Ignored("TEST.PRECISE_BN.DATASET", "Market1501", "statistics of batch norms computed anew"),
    Ignored("TEST.PRECISE_BN.NUM_ITER", 300, "statistics of batch norms computed anew"),
    OurNoFeature(
        "TEST.COMPARE", [], "descriptors that `fastpatent test` measures beside the network", Component(DESCRIPTORS)
    ),
    OurNoFeature("TEST.REPORT", True, "`fastpatent test` writes a page for every test set into OUTPUT_DIR/report"),
    OurNoFeature("BENCHMARK.SYSTEMS", [], "configuration files of networks and descriptors to compare", FILES, path=True),
    OurNoFeature("BENCHMARK.LOGS", "", "folder below which every run with model_best.pth is compared too", path=True),
    OurNoFeature("BENCHMARK.DISTRACTORS", [], "data sets added to the gallery, for a curve of sizes", Component(DATASETS)),
    OurNoFeature("BENCHMARK.RESAMPLES", 1000, "bootstrap samples for the 95% intervals", at_least(1, 10**6)),
)
