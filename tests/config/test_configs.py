"""The YAML files that come with the package, and the challenge's own in fast-reid's dialect."""

from fastpatent.config import load_config
from fastpatent.config.names import leaves

FIXTURES = "tests/fixtures/challenge"

SBS = {
    "MODEL.META_ARCHITECTURE": "Baseline",
    "MODEL.BACKBONE.NAME": "build_resnet_backbone",
    "MODEL.BACKBONE.DEPTH": "101x",
    "MODEL.BACKBONE.WITH_IBN": True,
    "MODEL.BACKBONE.WITH_NL": True,
    "MODEL.BACKBONE.LAST_STRIDE": 1,
    "MODEL.HEADS.WITH_BNNECK": True,
    "MODEL.HEADS.NECK_FEAT": "after",
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPoolingP",
    "MODEL.HEADS.CLS_LAYER": "CircleSoftmax",
    "MODEL.HEADS.SCALE": 64,
    "MODEL.HEADS.MARGIN": 0.35,
    "MODEL.LOSSES.NAME": ("CrossEntropyLoss", "TripletLoss"),
    "MODEL.LOSSES.CE.EPSILON": 0.1,
    "MODEL.LOSSES.TRI.MARGIN": 0.0,
    "MODEL.LOSSES.TRI.HARD_MINING": True,
    "MODEL.LOSSES.TRI.NORM_FEAT": False,
    "MODEL.FREEZE_LAYERS": ["backbone"],
    "INPUT.AUTOAUG.ENABLED": True,
    "INPUT.AUTOAUG.PROB": 0.1,
    "INPUT.REA.ENABLED": True,
    "INPUT.REA.PROB": 0.5,
    "INPUT.FLIP.ENABLED": True,
    "INPUT.PADDING.ENABLED": True,
    "INPUT.PADDING.SIZE": 10,
    "DATALOADER.SAMPLER_TRAIN": "BalancedIdentitySampler",
    "DATALOADER.NUM_INSTANCE": 16,
    "SOLVER.OPT": "Adam",
    "SOLVER.AMP.ENABLED": True,
    "SOLVER.WEIGHT_DECAY": 5e-4,
    "SOLVER.BIAS_LR_FACTOR": 1.0,
    "SOLVER.SCHED": "CosineAnnealingLR",
    "SOLVER.DELAY_EPOCHS": 30,
    "SOLVER.ETA_MIN_LR": 7e-7,
    "SOLVER.WARMUP_FACTOR": 0.1,
    "SOLVER.WARMUP_ITERS": 3000,
    "SOLVER.FREEZE_ITERS": 1000,
    "SOLVER.CHECKPOINT_PERIOD": 5,
    "TEST.EVAL_PERIOD": 5,
    "TEST.AQE.QE_K": 5,
    "TEST.AQE.ALPHA": 2.0,
    "TEST.AQE.QE_TIME": 1,
}
STAGES = {
    "256": {
        "INPUT.SIZE_TRAIN": [256, 256],
        "INPUT.SIZE_TEST": [256, 256],
        "SOLVER.IMS_PER_BATCH": 128,
        "SOLVER.BASE_LR": 3.5e-4,
        "SOLVER.MAX_EPOCH": 70,
        "MODEL.BACKBONE.PRETRAIN": True,
        "MODEL.WEIGHTS": "",
        "TEST.AQE.ENABLED": False,
        "DATASETS.NAMES": ("Patent",),
        "DATASETS.TESTS": ("Patent",),
        "OUTPUT_DIR": "logs/Patent/R101_256",
    },
    "384": {
        "INPUT.SIZE_TRAIN": [384, 384],
        "INPUT.SIZE_TEST": [384, 384],
        "SOLVER.IMS_PER_BATCH": 64,
        "SOLVER.BASE_LR": 3.5e-5,
        "SOLVER.MAX_EPOCH": 90,
        "MODEL.WEIGHTS": "logs/Patent/R101_256/model_best.pth",
        "TEST.AQE.ENABLED": False,
        "DATASETS.NAMES": ("Patent",),
        "DATASETS.TESTS": ("Patent",),
        "OUTPUT_DIR": "logs/Patent/R101_384",
    },
    "test": {
        "INPUT.SIZE_TEST": [384, 384],
        "TEST.IMS_PER_BATCH": 32,
        "MODEL.WEIGHTS": "logs/Patent/R101_384/model_best.pth",
        "TEST.AQE.ENABLED": True,
        "DATASETS.TESTS": ("PatentTest",),
    },
}


def test_every_file_loads_without_a_warning(repository, caplog):
    files = sorted(path for path in (repository / "configs").rglob("*.y*ml") if path.parent.name != "sweeps")
    assert len(files) > 80
    for path in files:
        load_config(path)
        assert not caplog.records, path


def test_challenge_values(repository):
    for folder in ("configs", FIXTURES):
        for stage, values in STAGES.items():
            found = dict(leaves(load_config(repository / folder / f"patent/sbs_R101-ibn_patent_{stage}.yml")))
            expected = SBS | values
            assert {key: found[key] for key in expected} == expected, (folder, stage)


def test_our_files_and_the_challenge_s_mean_the_same(repository):
    for name in ("Base-bagtricks", "Base-SBS", *(f"patent/sbs_R101-ibn_patent_{stage}" for stage in STAGES)):
        ours = dict(leaves(load_config(repository / "configs" / f"{name}.yml")))
        theirs = dict(leaves(load_config(repository / FIXTURES / f"{name}.yml")))
        differing = {key for key in ours if ours[key] != theirs[key]}
        # later stages need no ImageNet weights, which MODEL.WEIGHTS replaces; BEST_METRIC is not a key of fast-reid
        assert differing <= {"MODEL.BACKBONE.PRETRAIN", "TEST.BEST_METRIC"}, name
        assert not name.startswith("patent/") or ours["TEST.BEST_METRIC"] == ["mAP", "Acc@1"]


def test_tuples_written_as_text_become_tuples(repository):
    cfg = load_config(repository / FIXTURES / "Base-bagtricks.yml")
    assert cfg.MODEL.LOSSES.NAME == ("CrossEntropyLoss", "TripletLoss")
    assert cfg.SOLVER.STEPS == [40, 90]
