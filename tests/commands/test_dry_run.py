"""`fastpatent train --dry-run` checks what a training would fail on, and writes nothing anywhere."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fastpatent.commands import dry_run, main
from fastpatent.engine.trainer import Trainer
from tests.engine.processes import write_config
from tests.forked import run_python
from tests.polygons import write_designs

SETTINGS = [
    "MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "MODEL.DEVICE", "cpu",
    "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25",
    "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]", "SOLVER.IMS_PER_BATCH", "8",
    "SOLVER.MAX_EPOCH", "30", "TEST.EVAL_PERIOD", "10", "SOLVER.CHECKPOINT_PERIOD", "10", "DATALOADER.NUM_WORKERS", "1",
]  # fmt: skip


@pytest.fixture
def designs(tmp_path, monkeypatch):
    """Twelve designs of four drawings, as DATASETS.ROOT, and an empty working directory, below tmp_path."""
    write_designs(tmp_path / "designs", 12, size=48, seed=0)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "designs"


def tree(folder):
    """{path: (kind and size, time of change)} of all below a folder; what is read keeps them."""
    return {path: (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def try_out(designs, *options, output="new/run"):
    words = ["DATASETS.ROOT", str(designs), "OUTPUT_DIR", output, *SETTINGS]
    flags = [word for word in options if word.startswith("--")]
    return main(["train", "--dry-run", *flags, *words, *(word for word in options if not word.startswith("--"))])


def test_it_says_what_a_run_takes_and_writes_nothing(designs, tmp_path, capfd):
    broken = sorted(designs.rglob("*.png"))[0]
    broken.write_bytes(b"")
    before = tree(tmp_path)
    more = ["TEST.WHITENING.ENABLED", "True", "TEST.WHITENING.DIM", "8", "MODEL.FREEZE_LAYERS", "['backbone']"]
    assert try_out(designs, *more, "SOLVER.FREEZE_ITERS", "5", "SOLVER.EMA.ENABLED", "True") == 0
    printed = capfd.readouterr()
    assert tree(tmp_path) == before and "Traceback" not in printed.err
    for line in (
        r"training set  Drawings: 36 images of 9 identities, 4 batches an epoch",
        r"training      [\d:]+: 120 steps of 8 images, \S+ s each, \d+% of it waiting for images \(mean of 10 after 3 to ",
        r"evaluation    [\d:]+: 3 of 48 images, \S+ ms each",  # 12 of the test set, 36 for the whitening
        r"in all        [\d:]+$",
        r"memory        \d+\.\d\d GB at most, and 1 workers that read images; ",
        r"pack          `fastpatent data pack` would take 0.00 of \S+ free GB for .*/packs/",
        r"assumed       .*no layer is frozen, so the first steps are faster",
        r"disk          4 checkpoints of \d+\.\d\d GB together at most; \S+ GB are free in .*/work$",
    ):
        assert re.search(f"^{line}", printed.out, re.MULTILINE), line


def test_what_would_end_a_run_ends_it_too(designs, tmp_path, capfd, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/model_best.pth").write_text("mine")
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pth")
    before = tree(tmp_path)
    for options, output, sentence in (
        (["MODEL.WEIGHTS", str(tmp_path / "other.pth")], "new", "other.pth"),
        (["MODEL.BACKBONE.PRETRAIN_PATH", "none.pth", "MODEL.BACKBONE.PRETRAIN", "True"], "new", "none.pth"),
        (["DATASETS.ROOT", str(tmp_path / "none")], "new", "none"),
        (["SOLVER.BASE_LR", "1e30", "SOLVER.OPT", "SGD", "SOLVER.WARMUP_ITERS", "0"], "new", "the loss became"),
        ([], str(tmp_path / "file/run"), f"nothing can be written there, because of {tmp_path / 'file'} (OUTPUT_DIR)"),
        ([], str(tmp_path / "own"), "holds a run that was stopped (model_best.pth); --resume continues it"),
        (["--overwrite"], str(tmp_path / "own"), "model_best.pth would be replaced, and no training has written it"),
        (["--eval-only"], "new", "--eval-only trains nothing"),
        (["--allow-downloads"], "new", "--allow-downloads would write what it downloads"),
    ):
        assert try_out(designs, *options, output=output) == 1, options
        errors = capfd.readouterr().err
        assert sentence in errors and "Traceback" not in errors, options
    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert try_out(designs) == 1
    assert "error: OUTPUT_DIR: 4 checkpoints of " in (errors := capfd.readouterr().err) and "do not fit in" in errors
    assert tree(tmp_path) == before


def test_a_stopped_run_is_tried_from_where_it_stopped(designs, tmp_path, capfd, monkeypatch):
    output = tmp_path / "run"
    words = ["train", "DATASETS.ROOT", str(designs), "OUTPUT_DIR", str(output), *SETTINGS]
    assert main([*words, "SOLVER.MAX_EPOCH", "2"]) == 0
    before = tree(tmp_path)
    capfd.readouterr()
    assert try_out(designs, "--resume", "SOLVER.MAX_EPOCH", "12", output=str(output)) == 0
    printed = capfd.readouterr().out
    assert "40 steps of 8 images" in printed and ": 2 of 12 images" in printed and tree(tmp_path) == before


def test_mined_tuples_and_imprinted_classes_are_counted(designs, tmp_path, capfd):
    before = tree(tmp_path)
    sizes = ["DATALOADER.MINING.QUERIES", "8", "DATALOADER.MINING.POOL", "20", "DATALOADER.MINING.NEGATIVES", "2"]
    mined = ["DATALOADER.SAMPLER_TRAIN", "MinedTupleSampler", "MODEL.LOSSES.NAME", "('MinedTripletLoss',)", *sizes]
    assert try_out(designs, *mined, "MODEL.HEADS.IMPRINT", "True") == 0
    printed = capfd.readouterr().out
    assert re.search(r"^mining        [\d:]+: \S+ s an epoch$", printed, re.MULTILINE)
    assert re.search(r"^imprinting    [\d:]+: at most 36 images$", printed, re.MULTILINE)
    assert tree(tmp_path) == before


def test_its_steps_are_those_of_the_run(designs, monkeypatch):
    losses = []
    step = Trainer.step

    def watched(self, batch):
        losses.append([path.stem for path in (Path(self.loader.samples[index].path) for index in batch.indices)])
        return step(self, batch)

    monkeypatch.setattr(Trainer, "step", watched)
    assert try_out(designs) == 0
    tried, losses[:] = list(losses), []
    assert main(["train", "DATASETS.ROOT", str(designs), "OUTPUT_DIR", "run", *SETTINGS, "SOLVER.MAX_EPOCH", "4"]) == 0
    assert len(tried) == 13 and losses[:13] == tried


TRY_IN_TWO = """
import sys
from functools import partial
from torch.multiprocessing import start_processes
from fastpatent.commands import launch, main

launch.spawn = partial(start_processes, start_method="fork")  # else both processes would import all again
sys.exit(main(["train", "--dry-run", "--num-gpus", "2", "--config-file", sys.argv[1]]))
"""


@pytest.mark.slow
def test_two_processes_try_it_together(designs, tmp_path):
    config, home = write_config(designs, tmp_path / "two"), tmp_path / "home"
    home.mkdir()
    before = tree(config.parent), tree(designs)
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(home))
    found = run_python(tmp_path, "-c", TRY_IN_TWO, config, **places)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("in all        ") == 1 and "at most in each of 2 processes" in found.stdout
    assert (tree(config.parent), tree(designs)) == before and not list(home.iterdir())
