"""A resumed run is the run it says it is."""

import shutil

import pytest
import torch

from fastpatent.commands import main
from fastpatent.config.key import APPLIED, FIXED
from fastpatent.config.keys import KEYS
from fastpatent.data.datasets.drawings import read_drawings
from fastpatent.data.records import Sample
from fastpatent.engine.optimizer import load_optimizer_state, optimizer_state
from fastpatent.engine.resume import check_samples, samples_digest
from fastpatent.errors import CheckpointError
from fastpatent.registry import DATASETS
from tests.engine.runs import SMALL, assert_same_bits, train, weights


@pytest.fixture(autouse=True)
def twin(monkeypatch):
    """The data set `Drawings` under another name."""
    monkeypatch.setattr(DATASETS, "_components", DATASETS.all() | {"Twin": read_drawings})


def test_the_digest_sees_names_identities_and_order_and_not_the_place_of_the_data(tmp_path):
    def digest(*pairs, root="/data"):
        return samples_digest([Sample(f"{root}/{path}", identity) for path, identity in pairs], root)

    first = digest(("a/1", "a"), ("b/1", "b"))
    assert first == digest(("a/1", "a"), ("b/1", "b"), root="/moved") and (first["images"], first["identities"]) == (2, 2)
    for other in ([("b/1", "b"), ("a/1", "a")], [("a/1", "a"), ("b/2", "b")], [("a/1", "a"), ("b/1", "c")]):
        found = digest(*other)
        assert found != first and (found["images"], found["identities"]) == (2, 2)
        with pytest.raises(CheckpointError, match="not those of the checkpoint"):
            check_samples({"samples": first}, [Sample(f"/data/{path}", identity) for path, identity in other], "/data")
    for other in (3, {}, {**first, "images": torch.zeros(2)}, {**first, "identities": "2"}):
        with pytest.raises(CheckpointError, match="the numbers of images and identities in the checkpoint cannot be read"):
            check_samples({"samples": other}, [Sample("/data/a/1", "a")], "/data")
    digest(("\udcff/1", "\udcff"))  # a name that is not UTF-8


def test_state_follows_the_parameters_into_other_groups():
    """As after WEIGHT_DECAY_BIAS was changed: one group of a run becomes two."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    before = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    before.step()
    saved = optimizer_state(before, model)
    after = torch.optim.AdamW([{"params": [model.bias], "lr": 0.2}, {"params": [model.weight], "weight_decay": 0.5}], lr=0.3)
    load_optimizer_state(after, model, saved)
    for parameter in model.parameters():
        for name, value in before.state[parameter].items():
            assert torch.equal(after.state[parameter][name], value), name
    assert [(group["lr"], group["weight_decay"]) for group in after.param_groups] == [(0.2, 0.01), (0.3, 0.5)]
    del saved["names"]
    with pytest.raises(ValueError, match="grouped by other learning rates"):
        load_optimizer_state(after, model, saved)


def test_what_may_change_takes_effect_and_is_said(whole_run, drawings_folder, tmp_path, capfd):
    done = []
    for decay in ("0", "0.5"):
        output = tmp_path / decay
        shutil.copytree(whole_run(*SMALL), output)
        words = ["SOLVER.MAX_EPOCH", "3", "SOLVER.WEIGHT_DECAY", decay, "MODEL.WEIGHTS", "elsewhere.pth"]
        assert train(drawings_folder, output, *SMALL, *words, resume=True) == 0
        table = [line.split() for line in capfd.readouterr().out.splitlines()]
        assert ["SOLVER.MAX_EPOCH", "2", "3"] in table and ["SOLVER.WEIGHT_DECAY", "0.0005", decay] in table
        assert "MODEL.WEIGHTS none elsewhere.pth no effect: the run has begun".split() in table
        done.append(weights(output)["model"])
    with pytest.raises(AssertionError):
        assert_same_bits(*done)


def test_a_run_goes_on_with_its_own_config_yaml(whole_run, tmp_path, capfd):
    output = tmp_path / "run"
    shutil.copytree(whole_run(*SMALL), output)
    shutil.copy(output / "config.yaml", tmp_path / "own.yml")
    words = ["OUTPUT_DIR", str(output), "SOLVER.MAX_EPOCH", "3"]
    assert main(["train", "--config-file", str(tmp_path / "own.yml"), "--resume", *words]) == 0, capfd.readouterr().err
    assert weights(output, "model_final.pth")["epoch"] == 3


def test_another_test_set_chooses_the_best_checkpoint_anew(whole_run, drawings_folder, tmp_path, capfd):
    output = tmp_path / "run"
    shutil.copytree(whole_run(*SMALL), output)
    words = ["SOLVER.MAX_EPOCH", "3", "DATASETS.TESTS", "[Twin]"]
    assert train(drawings_folder, output, *SMALL, *words, resume=True) == 0
    printed = capfd.readouterr().out
    assert "the best checkpoint so far was chosen by mAP on Drawings, from now on by mAP on Twin" in printed
    assert weights(output, "model_best.pth")["epoch"] == 3


def test_a_best_checkpoint_that_is_gone_is_written_anew(whole_run, drawings_folder, tmp_path, capfd):
    output = tmp_path / "run"
    shutil.copytree(whole_run(*SMALL), output)
    (output / "model_best.pth").unlink()
    assert train(drawings_folder, output, *SMALL, resume=True) == 0
    printed = capfd.readouterr().out
    assert "the run has had its 2 epochs" in printed and "best mAP" not in printed
    assert "model_best.pth of epoch" in printed and "is gone; the next evaluation writes it anew" in printed
    assert train(drawings_folder, output, *SMALL, "SOLVER.MAX_EPOCH", "3", resume=True) == 0
    assert weights(output, "model_best.pth")["epoch"] == 3


def test_what_a_run_cannot_change_is_refused_by_its_key(whole_run, drawings_folder, capfd):
    other = {"SEED": "1", "SOLVER.OPT": "SGD", "SOLVER.IMS_PER_BATCH": "12", "MODEL.HEADS.EMBEDDING_DIM": "64"}
    words = [word for pair in other.items() for word in pair]
    assert train(drawings_folder, whole_run(*SMALL), *SMALL, *words, resume=True) == 1
    errors = capfd.readouterr().err
    assert "--resume: SOLVER.OPT was Adam and is now SGD: a run cannot change it" in errors
    assert all(name in errors for name in other)


def test_a_renamed_design_is_refused(drawings_folder, tmp_path, capfd):
    """It would be sorted to another place, and move the labels of all others."""
    data, output = tmp_path / "data", tmp_path / "run"
    shutil.copytree(drawings_folder, data)
    few = [*SMALL, "SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "0"]
    assert train(data, output, *few) == 0
    (data / "d3").rename(data / "z3")
    assert train(data, output, *few, resume=True) == 1
    assert "--resume: the training images or their identities are not those of the checkpoint" in capfd.readouterr().err


def test_periods_and_rates_take_effect_and_what_decides_shapes_does_not():
    for name in ("SOLVER.BASE_LR", "SOLVER.MAX_EPOCH", "SOLVER.CHECKPOINT_PERIOD", "TEST.EVAL_PERIOD", "DATASETS.ROOT"):
        assert KEYS[name].resumed == APPLIED, name
    for name in ("MODEL.BACKBONE.DEPTH", "MODEL.HEADS.NUM_CLASSES", "DATALOADER.NUM_INSTANCE", "SOLVER.OPT"):
        assert KEYS[name].resumed == FIXED, name
