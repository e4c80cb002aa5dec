"""Values of the right type that would stop a run."""

from fastpatent.config import get_cfg, load_config
from fastpatent.config.checks import broken_rules
from fastpatent.config.key import Component, Rule
from fastpatent.config.keys import KEYS

BROKEN = [
    ("TEST.METRIC", "cosin", "must be cosine, euclidean or normalized_euclidean, got 'cosin'"),
    ("TEST.PRECISION", "fp64", "must be fp32, tf32, bf16 or fp16, got 'fp64'"),
    ("SOLVER.SCHED", "Cosine", "must be MultiStepLR or CosineAnnealingLR, got 'Cosine'"),
    ("SOLVER.WARMUP_METHOD", "exp", "must be linear or constant, got 'exp'"),
    ("SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full", "must be norm or value, got 'full'"),
    ("INPUT.FIT", "cover", "must be paper, crop, shorter or native, got 'cover'"),
    ("INPUT.INTERPOLATION", "nearest", "must be bicubic or bilinear, got 'nearest'"),
    ("INPUT.INVERT", "always", "must be never or auto, got 'always'"),
    ("DATASETS.CAPTIONS.TEXT", "claim", "must be caption, title or description, got 'claim'"),
    ("TEST.AQE.SIDE", "gallery", "must be both, query or database, got 'gallery'"),
    ("TEST.WHITENING.DRAWINGS", "1", "must be at least 2, got 1"),
    ("INPUT.PADDING.MODE", "white", "must be constant, edge, reflect or symmetric, got 'white'"),
    ("INPUT.AUGMENT_ON", "gpu", "must be auto, workers or device, got 'gpu'"),
    ("MODEL.HEADS.NECK_FEAT", "both", "must be before or after, got 'both'"),
    ("TEST.NECK_FEAT", "both", "must be after or before, got 'both'"),
    ("MODEL.CLIP.LOSS", "softmax", "must be clip or siglip, got 'softmax'"),
    ("MODEL.CLIP.POSITIVES", "all", "must be pair, identity or class, got 'all'"),
    ("MODEL.CLIP.LOCK", "['visual']", "must be some of image and text, got ['visual']"),
    ("MODEL.CLIP.LOCK", "[[]]", "must be some of image and text, got [[]]"),
    ("MODEL.TOWER_WEIGHTS", "['a']", "must be two paths, for drawings and for photographs, got ['a']"),
    ("INPUT.SIZE_TRAIN", "[256]", "must be two sizes of 1 to 16384, [height, width], got [256]"),
    ("INPUT.SIZE_TEST", "[0, 256]", "must be two sizes of 1 to 16384, [height, width], got [0, 256]"),
    ("INPUT.CROP.SCALE", "[1, 0.2]", "must be two fractions of the area, [smallest, largest], got [1.0, 0.2]"),
    ("INPUT.CROP.RATIO", "[0, 1]", "must be two ratios above 0, [smallest, largest], got [0.0, 1.0]"),
    ("INPUT.BLUR.SIGMA", "[1]", "must be two sizes in pixels above 0, [smallest, largest], got [1.0]"),
    (
        "INPUT.REA.VALUE",
        "[255, 255, 258]",
        "must be one number, or three, with a mean from 0 to 255, got [255.0, 255.0, 258.0]",
    ),
    ("INPUT.LINES.WIDTH", "3", "must be between 0 and 2, got 3.0"),
    ("INPUT.ROTATE.DEGREES", "181", "must be between 0 and 180, got 181.0"),
    ("INPUT.FLIP.PROB", "50", "must be between 0 and 1, got 50.0"),
    ("INPUT.PADDING.VALUE", "256", "must be between 0 (black) and 255 (white), got 256"),
    ("DATASETS.DRAWINGS.VAL_FRACTION", "1", "must be above 0 and below 1, got 1.0"),
    ("SEED", "-1", "must be at least 0, got -1"),
    ("SOLVER.BASE_LR", "-0.1", "must be above 0, got -0.1"),
    ("SOLVER.BASE_LR", "1e999", "must be above 0, got inf"),
    ("SOLVER.MAX_EPOCH", "0", "must be at least 1, got 0"),
    ("SOLVER.MOMENTUM", "1.0", "must be at least 0 and below 1, got 1.0"),
    ("SOLVER.LAYER_DECAY", "0", "must be above 0 and at most 1, got 0.0"),
    ("SOLVER.STEPS", "[-3]", "must be epochs above 0, got [-3]"),
    ("SOLVER.CLIP_GRADIENTS.NORM_TYPE", "0", "must be above 0, or .inf, got 0.0"),
    ("DATALOADER.NUM_WORKERS", "-1", "must be at least 0, got -1"),
    ("MODEL.FREEZE_LAYERS", "[3]", "must be names of parts of the network, got [3]"),
    ("MODEL.LOSSES.CE.EPSILON", "1", "must be at least 0 and below 1, or -1 (adaptive), got 1.0"),
    ("MODEL.PIXEL_MEAN", "[1, 1e999, 1]", "must be one number, or three, got [1.0, inf, 1.0]"),
    ("MODEL.PIXEL_STD", "[0, 1, 1]", "must be one number above 0, or three, got [0.0, 1.0, 1.0]"),
    ("OUTPUT_DIR", "", "must be the name of a folder, . for the working directory, got ''"),
    ("TEST.SCALES", "[]", "must be sizes up to 10, 1.0 the image's own, got []"),
    ("TEST.ENSEMBLE.CONFIGS", "[3]", "must be names of files, got [3]"),
    ("TEST.ENSEMBLE.WEIGHTS", "['x']", "must be above 0, got ['x']"),
    ("INPUT.SIZE_TEST", "[256, 1000000]", "must be two sizes of 1 to 16384, [height, width], got [256, 1000000]"),
    ("INPUT.PADDING.SIZE", "1000000000", "must be between 0 and 16384, got 1000000000"),
    ("MODEL.HEADS.NUM_CLASSES", "1000000000000", "must be between 0 and 100000000, got 1000000000000"),
    ("MODEL.HEADS.EMBEDDING_DIM", "1000000000000", "must be between 0 and 100000, got 1000000000000"),
    ("MODEL.HEADS.SUB_CENTERS", "1000000000", "must be between 1 and 1000, got 1000000000"),
    ("MODEL.LOSSES.XBM.SIZE", "1000000000000", "must be between 1 and 10000000, got 1000000000000"),
    ("DESCRIPTOR.VOCABULARY.WORDS", "1000000000", "must be between 1 and 10000, got 1000000000"),
    ("SOLVER.IMS_PER_BATCH", "1000000000000", "must be between 1 and 1000000, got 1000000000000"),
    ("BENCHMARK.RESAMPLES", "1000000000000", "must be between 1 and 1000000, got 1000000000000"),
    ("SEARCH.BACKEND", "redis", "must be faiss or milvus, got 'redis'"),
    ("SEARCH.URI", "host", "must be http://host:19530, https://host, or a file NAME.db of milvus-lite, got 'host'"),
    ("SEARCH.COLLECTION", "a-b", "must be up to 100 letters, digits and _, no digit first, got 'a-b'"),
    ("SEARCH.SHARDS", "0", "must be between 1 and 64, got 0"),
    ("TEST.SCALES", "[1000]", "must be sizes up to 10, 1.0 the image's own, got [1000.0]"),
]


def test_broken_rules(complaints):
    for key, value, requirement in BROKEN:
        assert complaints(overrides=[key, value])[0] == f"command line: {key} {requirement}"
    tried = {KEYS[key].rule.words for key, _, _ in BROKEN}
    assert {key.rule.words for key in KEYS.values() if isinstance(key.rule, Rule)} == tried


def test_defaults_break_no_rule():
    assert list(broken_rules(get_cfg())) == []


def test_names_of_components_are_looked_up_when_a_configuration_is_loaded(write, complaints):
    text = """\
        MODEL:
          BACKBONE: {NAME: build_resnet_backbon}
          LOSSES: {NAME: [CrossEntropyLoss, TripletLos, Circle]}
        DATASETS: {TESTS: [Drawings, DeepPatentTests]}
        TEST: {BEST_METRIC: map}
        """
    assert complaints(write("a.yml", text), ["DESCRIPTOR.NAME", "hogg"]) == [
        "a.yml:2: MODEL.BACKBONE.NAME no backbone is called 'build_resnet_backbon'; did you mean build_resnet_backbone?",
        "a.yml:3: MODEL.LOSSES.NAME no loss is called 'TripletLos'; did you mean TripletLoss?",
        "command line: DESCRIPTOR.NAME no descriptor is called 'hogg'; did you mean hog?",
        "a.yml:4: DATASETS.TESTS no dataset is called 'DeepPatentTests'; did you mean DeepPatentTest?",
        "a.yml:5: TEST.BEST_METRIC no metric is called 'map'; did you mean mAP?",
    ]


def test_every_key_of_components_takes_all_registered_names_and_no_other(complaints):
    keys = [key for key in KEYS.values() if isinstance(key.rule, Component)]
    assert len(keys) == 16
    for key in keys:
        names = [*key.rule.registry.names(), *key.rule.others]
        listed = isinstance(key.default, (list, tuple))
        for name in names:
            load_config(overrides=[key.name, repr((name,)) if listed else name])
        wrong = f"{names[0]}{names[0][-1]}"
        (complaint,) = complaints(overrides=[key.name, repr((wrong,)) if listed else wrong])
        kind = key.rule.registry.kind
        assert complaint.startswith(f"command line: {key.name} no {kind} is called {wrong!r}; did you mean "), key.name


def test_mean_and_deviation_must_match(write, complaints):
    assert complaints(write("a.yml", "MODEL:\n  PIXEL_MEAN: [127.5]\n")) == [
        "a.yml:2: MODEL.PIXEL_MEAN must be as long as its companion: PIXEL_MEAN and PIXEL_STD have 1 and 3 values"
    ]


def test_rules_about_two_keys(complaints):
    assert complaints(overrides=["INPUT.FIT", "crop"]) == [
        "command line: INPUT.FIT is crop, which needs INPUT.KEEP_ASPECT True"
    ]
    assert load_config(overrides=["INPUT.FIT", "crop", "INPUT.KEEP_ASPECT", "True"]).INPUT.FIT == "crop"
    assert complaints(overrides=["TEST.ENSEMBLE.WEIGHTS", "[1, 2]", "TEST.ENSEMBLE.CONFIGS", "['a.yml']"]) == [
        "command line: TEST.ENSEMBLE.WEIGHTS must be as many as TEST.ENSEMBLE.CONFIGS, or none: 2 weights for 1 networks"
    ]
    load_config(overrides=["TEST.ENSEMBLE.CONFIGS", "['a.yml', 'b.yml']"])


def test_the_best_metric_is_a_name_or_a_list(write, complaints):
    for text, expected in (("mAP", ["mAP"]), ("[mAP, Acc@1]", ["mAP", "Acc@1"]), ("auto", ["auto"])):
        assert load_config(write("a.yml", f"TEST: {{BEST_METRIC: {text}}}")).TEST.BEST_METRIC == expected
    for value in ("[]", "['mAP', 'auto']"):
        (complaint,) = complaints(overrides=["TEST.BEST_METRIC", value])
        assert complaint == f"command line: TEST.BEST_METRIC must name a metric, several, or auto alone, got {value}"


def test_unusual_values_that_mean_something():
    for key, value in (
        ("MODEL.LOSSES.CE.EPSILON", "-1"),
        ("SOLVER.CLIP_GRADIENTS.NORM_TYPE", "1e999"),
        ("TEST.EVAL_PERIOD", "0"),
        ("SOLVER.STEPS", "[]"),
        ("MODEL.LOSSES.TRI.MARGIN", "0"),
        ("TEST.BEST_METRIC", "auto"),
        ("DESCRIPTOR.NAME", ""),
    ):
        load_config(overrides=[key, value])


def test_rule_broken_in_a_base_and_satisfied_by_the_file(write):
    write("a.yml", "TEST: {METRIC: cosin}")
    assert load_config(write("b.yml", "_BASE_: a.yml\nTEST: {METRIC: cosine}")).TEST.METRIC == "cosine"
