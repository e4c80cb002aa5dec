"""docs/tuning.md: its commands run one after another, as they stand there, at a small size."""

import re
import shlex

import pytest

from fastpatent.commands import main
from fastpatent.synthetic.generate import generate_sample

SMALL = """MODEL.DEVICE cpu MODEL.BACKBONE.TIMM_NAME test_efficientnet MODEL.BACKBONE.PRETRAIN_PATH ''
    INPUT.SIZE_TRAIN [32,32] INPUT.SIZE_TEST [32,32] DATALOADER.NUM_WORKERS 0 SOLVER.IMS_PER_BATCH 16
    SOLVER.MAX_EPOCH 1 SOLVER.DELAY_EPOCHS 0 SOLVER.WARMUP_ITERS 1""".split()


def commands(text):
    """Return the words of every `fastpatent` command of a document."""
    blocks = re.findall(r"^ {4}fastpatent ((?:.*\\\n)*.*)", text, re.MULTILINE)
    return [shlex.split(block.replace("\\\n", " ")) for block in blocks]


def smaller(words):
    """Return a command at a small size: fewer trials; a small network where a configuration of the package is named."""
    words = [{"20": "1", "50": "3"}.get(word, word) for word in words]  # trials
    return words + SMALL if any(word.startswith("sample/") for word in words) else words


@pytest.mark.slow
def test_every_command_of_the_guide_runs(repository, tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna", reason="optuna is not installed: nothing is swept")
    monkeypatch.chdir(tmp_path)
    generate_sample(tmp_path / "datasets" / "sample", designs=24, workers=1)
    guide = commands((repository / "docs" / "tuning.md").read_text())
    assert {words[0] for words in guide} == {"train", "runs", "test", "compare", "sweep", "reproduce", "submission"}
    for words in guide:
        assert main(smaller(words)) == 0, f"{words}: {capsys.readouterr()}"
    tuning = tmp_path / "logs" / "tuning"
    for page in ("circle/report", "comparison", "sweep", "ranking", "final/report"):
        assert (tuning / page / "index.html").stat().st_size > 10_000, page
    assert "equal to the bit" in capsys.readouterr().out
