"""The merged configuration, everything wrong at once, and the keys that have no effect."""

from fastpatent.config import get_cfg, load_config
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves


def test_all_is_reported_at_once_with_lines(write, complaints):
    write(
        "base.yml",
        """\
        SOLVER:
          BASE_LRR: 0.1
          NESTEROV: "yes"
        """,
    )
    write(
        "a.yml",
        """\
        # comment
        _BASE_: base.yml

        MODEL:
          HEADS:
            NECK_FEAT: afterwards
          BACKBONES:
            DEPTH: 50x
        INPUT:
          SIZE_TRAIN: [256,
            256.5]
        DATASETS:
          NAMES: ("Patent")
        """,
    )
    assert complaints("a.yml", ["TEST.METRIK", "cosine", "SEED", "1.5", "MODEL.HEADS", "x"]) == [
        "base.yml:2: SOLVER.BASE_LRR is no key; did you mean SOLVER.BASE_LR?",
        "a.yml:7: MODEL.BACKBONES is no key; did you mean MODEL.BACKBONE?",
        "command line: TEST.METRIK is no key; did you mean TEST.METRIC?",
        "command line: MODEL.HEADS is a section, not a key; its keys are NAME, NORM, NUM_CLASSES, EMBEDDING_DIM, "
        "WITH_BNNECK, NECK_FEAT, POOL_LAYER, CLS_LAYER, MARGIN, SCALE, DROPOUT, EASY_MARGIN, SUB_CENTERS, SAMPLED_CLASSES, "
        "IMPRINT",
        "base.yml:3: SOLVER.NESTEROV expects True or False, got the text 'yes'",
        "a.yml:10: INPUT.SIZE_TRAIN in its list expects a whole number, got the number 256.5",
        "a.yml:13: DATASETS.NAMES expects a list, got the text 'Patent'; write [Patent]",
        "command line: SEED expects a whole number, got the number 1.5",
        "a.yml:6: MODEL.HEADS.NECK_FEAT must be before or after, got 'afterwards'",
    ]


def test_command_line_wins_over_file_and_last_pair_over_first(write):
    cfg = load_config(write("a.yml", "SEED: 1\nOUTPUT_DIR: a"), ["SEED", "2", "OUTPUT_DIR", "b", "SEED", "3"])
    assert (cfg.SEED, cfg.OUTPUT_DIR) == (3, "b")


def test_overrides_have_the_types_of_their_keys():
    for key, written, expected in (
        ("MODEL.DEVICE", '"cuda:0"', "cuda:0"),
        ("MODEL.DEVICE", "cpu", "cpu"),
        ("DATASETS.NAMES", '("Patent", "Sample")', ("Patent", "Sample")),
        ("INPUT.SIZE_TRAIN", "[64, 96]", [64, 96]),
        ("SOLVER.AMP.ENABLED", "True", True),
        ("SOLVER.AMP.ENABLED", "true", True),
        ("SOLVER.BASE_LR", "1e-4", 1e-4),
        ("MODEL.LOSSES.CE.EPSILON", "-1", -1.0),
        ("OUTPUT_DIR", "2024", "2024"),
        ("MODEL.WEIGHTS", "", ""),
    ):
        found = dict(leaves(load_config(overrides=[key, written])))[key]
        assert found == expected and type(found) is type(expected), (key, written)


def test_words_that_are_no_pairs(complaints):
    for words, sentence in (
        (["SEED"], "SEED has no value"),
        (["SOLVER.MAX_EPOCH", "SEED", "3"], "SOLVER.MAX_EPOCH has no value"),
        (["SEED", "3", "OUTPUT_DIR"], "OUTPUT_DIR has no value"),
        (["SEED", "3", "--resume"], "--resume is an option; options go before the pairs"),
        (["SEED=3"], "SEED=3 holds an equals sign; write a space instead"),
    ):
        assert complaints(overrides=words) == [f"command line: settings are KEY VALUE pairs, but {sentence}"]
    for words, sentence in (
        (["_BASE_", "a.yml"], "_BASE_ works in files only"),
        (["--num-gpus", "2"], "--num-gpus is no key; options go before the KEY VALUE pairs"),
    ):
        assert complaints(overrides=words) == [f"command line: {sentence}"]


def test_result_is_frozen_and_the_defaults_stay():
    base = get_cfg()
    cfg = load_config(overrides=["SEED", "5", "MODEL.FREEZE_LAYERS", "['backbone']"], base=base)
    assert cfg.is_frozen() and cfg.SEED == 5
    assert base == get_cfg() and not base.is_frozen()


def test_base_configuration_instead_of_the_defaults():
    first = load_config(overrides=["SEED", "5"])
    second = load_config(overrides=["OUTPUT_DIR", "x"], base=first)
    assert (second.SEED, second.OUTPUT_DIR, first.OUTPUT_DIR) == (5, "x", "logs/")


def test_ignored_keys_are_named_in_one_warning(write, caplog):
    write("base.yml", "MODEL:\n  QUEUE_SIZE: 65536\n  BACKBONE: {WITH_SE: False, SIE_COE: 3}")
    name = write("a.yml", "_BASE_: base.yml\nKD:\n  EMA:\n    ENABLED: True\nTEST: {FLIP: {ENABLED: True}}")
    load_config(name, ["TEST.ROC.ENABLED", "True"])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        (
            "WARNING",
            "these keys have no effect here: MODEL.QUEUE_SIZE (base.yml:2), KD.EMA.ENABLED (a.yml:4), "
            "TEST.ROC.ENABLED (command line)",
        )
    ]


def test_ignored_keys_at_their_defaults_are_not_named(write, caplog):
    load_config(write("a.yml", "MODEL: {QUEUE_SIZE: 8192}"))
    assert not caplog.records


def test_what_is_ignored():
    sections = {name.rpartition(".")[0] for name, key in KEYS.items() if key.ignored}
    assert sections == {
        "MODEL", "MODEL.BACKBONE", "KD", "KD.EMA", "INPUT.CJ", "INPUT.RPT", "DATALOADER", "TEST.ROC", "TEST.PRECISE_BN"
    }  # fmt: skip
    assert KEYS["MODEL.BACKBONE.WITH_SE"].ignored and not KEYS["TEST.FLIP.ENABLED"].ignored
