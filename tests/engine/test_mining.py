"""Mined tuples: the negatives are the nearest of other identities, and a resumed run continues with the same tuples."""

import logging
import shutil

import numpy as np
import pytest
import torch

from fastpatent.config import load_config
from fastpatent.data.image import open_drawing
from fastpatent.data.loader import build_train_loader
from fastpatent.data.transforms import build_resize
from fastpatent.device import Precision
from fastpatent.engine import mining
from fastpatent.engine.checkpoint import LAST
from fastpatent.models import build_model, with_classes
from tests.engine import processes
from tests.engine.runs import (
    INTERRUPTED,
    SMALL,
    STEPS,
    assert_same_bits,
    interrupt,
    interrupted_after,
    make_older,
    train,
    weights,
)
from tests.switches import IEEE, Products, less_allowed

# 8 queries with 2 negatives in batches of 8: 4 an epoch, as in the runs of test_trainer
MINED = {
    "DATALOADER.SAMPLER_TRAIN": "MinedTupleSampler",
    "DATALOADER.MINING.QUERIES": "9",
    "DATALOADER.MINING.POOL": "20",
    "DATALOADER.MINING.NEGATIVES": "2",
    "MODEL.LOSSES.NAME": "('CrossEntropyLoss','MinedTripletLoss')",
}
WORDS = (*SMALL, *(word for pair in MINED.items() for word in pair))


def brute_force(queries, query_labels, pool, pool_labels, negatives):
    """The definition in loops: sort the pool, walk down the list, skip identities already taken."""
    queries, pool = queries.astype(np.float64), pool.astype(np.float64)
    rows = []
    for query, label in zip(queries, query_labels):
        cosine = [query @ row / np.linalg.norm(query) / np.linalg.norm(row) for row in pool]
        row, met = [], {label}
        for place in sorted(range(len(pool)), key=lambda place: -cosine[place]):
            if pool_labels[place] not in met and len(row) < negatives:
                row.append(place)
                met.add(pool_labels[place])
        rows.append(row)
    return np.array(rows)


def test_negatives_are_searched_in_float32_however_torch_is_set():
    rows, labels = np.eye(4, dtype=np.float32), np.arange(4)
    with less_allowed(), Products() as products:
        mining.nearest_negatives(rows, labels, rows, labels, 1)
    assert products.found == [IEEE]


@pytest.mark.parametrize(
    "queries, pool, identities, negatives", [(3, 12, 4, 3), (300, 90, 20, 5), (129, 40, 40, 1), (7, 50, 6, 5)]
)
def test_negatives_are_the_nearest_each_of_another_identity(queries, pool, identities, negatives):
    random = np.random.default_rng(queries)
    labels = [random.permutation(np.arange(count) % identities) for count in (queries, pool)]
    features = [random.normal(size=(count, 16)) * random.uniform(1, 9, (count, 1)) for count in (queries, pool)]
    features = [rows.astype(np.float32) for rows in features]
    found = mining.nearest_negatives(features[0], labels[0], features[1], labels[1], negatives)
    np.testing.assert_array_equal(found, brute_force(features[0], labels[0], features[1], labels[1], negatives))


CPU = torch.device("cpu")


def settings(root, *words):
    return load_config(overrides=[
        "DATASETS.ROOT", str(root), "DATASETS.NAMES", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25",
        "DATALOADER.NUM_WORKERS", "0", "MODEL.DEVICE", "cpu", "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[64,64]",
        "INPUT.FLIP.ENABLED", "True", "SOLVER.IMS_PER_BATCH", "8", "TEST.IMS_PER_BATCH", "7", *WORDS, *words,
    ])  # fmt: skip


@pytest.mark.parametrize("pool", [20, 1000])
def test_tuples_are_what_the_network_itself_finds(drawings_folder, pool, caplog):
    cfg = settings(drawings_folder, "DATALOADER.MINING.POOL", str(pool))
    caplog.set_level(logging.INFO)
    loader = build_train_loader(cfg, CPU)
    torch.manual_seed(0)
    model = build_model(with_classes(cfg, loader.num_classes))
    miner = mining.Miner(cfg, model, loader, CPU, Precision(torch.float32, ""))
    before = torch.get_rng_state()
    miner.mine(2)
    assert model.training and torch.equal(torch.get_rng_state(), before)
    assert f"mined the negatives of 8 queries from {min(pool, 36)} images in" in caplog.text

    resize, labels = build_resize(cfg, "SIZE_TRAIN"), loader.sampler.labels
    images = np.stack([np.asarray(resize(open_drawing(sample.path))) for sample in loader.samples])
    with torch.no_grad():
        features = model.eval()(torch.from_numpy(images).unsqueeze(1)).numpy()
    queries, positives, chosen = loader.sampler.choose(2)
    assert len(chosen) == min(pool, 36)
    nearest = brute_force(features[queries], labels[queries], features[chosen], labels[chosen], 2)
    expected = np.concatenate([queries[:, None], positives[:, None], chosen[nearest]], axis=1)
    np.testing.assert_array_equal(loader.sampler.indices(2), expected.reshape(-1))


@pytest.mark.parametrize("workers", ["0", "1"])
def test_batches_end_with_the_epoch_and_go_on_with_the_next(drawings_folder, workers):
    cfg = settings(drawings_folder, "DATALOADER.NUM_WORKERS", workers)
    loader = build_train_loader(cfg, CPU, start_batch=5)  # epoch 1 has the batches 4 to 7
    assert loader.batches_per_epoch == 4
    tables = [np.random.default_rng(number).integers(36, size=(8, 4)) for number in range(4)]
    loader.sampler.take(1, tables[1])
    batches, seen = iter(loader), []
    for number in range(5, 16):
        if number % 4 == 0:  # as late as possible: what was read ahead would be of the epoch before
            loader.sampler.take(number // 4, tables[number // 4])
        seen.append(next(batches))
    assert [batch["positions"][0].item() for batch in seen] == list(range(5 * 8, 16 * 8, 8))
    found = torch.cat([batch["indices"] for batch in seen]).reshape(-1, 4)
    np.testing.assert_array_equal(found, np.concatenate(tables[1:])[2:])
    with pytest.raises(ValueError, match="pass 4 was not mined"):
        next(batches)


@pytest.fixture(scope="module")
def whole(whole_run):
    return whole_run(*WORDS)


@pytest.fixture
def mined(monkeypatch):
    """The numbers of the passes that were mined."""
    numbers, mine = [], mining.Miner.mine
    monkeypatch.setattr(mining.Miner, "mine", lambda self, number: numbers.append(number) or mine(self, number))
    return numbers


@pytest.mark.parametrize("iteration, still_to_mine", [(1, [1]), (4, [1]), (6, [])])
def test_a_run_interrupted_anywhere_and_resumed_gives_the_same_bits(
    iteration, still_to_mine, whole, drawings_folder, tmp_path, mined
):
    with interrupted_after(iteration):
        assert train(drawings_folder, tmp_path, *WORDS) == INTERRUPTED
    mined.clear()
    workers = ["DATALOADER.NUM_WORKERS", "1"] if iteration == 1 else []
    assert train(drawings_folder, tmp_path, *WORDS, *workers, resume=True) == 0
    assert mined == still_to_mine
    expected, found = weights(whole), weights(tmp_path)
    assert found["iteration"] == STEPS
    assert_same_bits(expected["model"], found["model"])
    assert torch.equal(expected["mined"]["tuples"], found["mined"]["tuples"])


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_run_interrupted_while_it_mines_mines_again(epoch, whole, drawings_folder, tmp_path, monkeypatch):
    search = mining.nearest_negatives
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) > epoch:
            interrupt()
        return search(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(mining, "nearest_negatives", interrupted)
        assert train(drawings_folder, tmp_path, *WORDS) == INTERRUPTED
    assert (tmp_path / LAST).read_text() == "model_interrupted.pth"
    assert weights(tmp_path, "model_interrupted.pth")["iteration"] == 4 * epoch
    assert train(drawings_folder, tmp_path, *WORDS, resume=True) == 0
    assert_same_bits(weights(whole)["model"], weights(tmp_path)["model"])


def test_resume_refuses_tuples_of_other_settings(whole, drawings_folder, tmp_path, capfd):
    shutil.copytree(whole, tmp_path / "older")
    make_older(tmp_path / "older")
    other = ["DATALOADER.MINING.NEGATIVES", "6", "DATALOADER.MINING.QUERIES", "4"]
    assert train(drawings_folder, whole, *WORDS, *other, resume=True) == 1
    assert "DATALOADER.MINING.NEGATIVES was 2 and is now 6" in capfd.readouterr().err
    assert train(drawings_folder, tmp_path / "older", *WORDS, *other, resume=True) == 1
    assert "8 tuples of 4 drawings an epoch, now there are 4 of 8" in capfd.readouterr().err


def test_parts_of_a_batch_hold_whole_tuples(drawings_folder, tmp_path, capfd):
    words = [*WORDS, "SOLVER.MAX_EPOCH", "1", "SOLVER.GRAD_ACCUM_STEPS"]
    assert train(drawings_folder, tmp_path / "2", *words, "2") == 0
    assert train(drawings_folder, tmp_path / "4", *words, "4") == 1
    assert "4 equal parts of whole tuples (4 images each)" in capfd.readouterr().err


@pytest.mark.slow
def test_two_processes_mine_and_learn_what_one_does(drawings_folder, tmp_path):
    words = [word for pair in {**MINED, "DATALOADER.MINING.QUERIES": "10"}.items() for word in pair]
    configs = [processes.write_config(drawings_folder, tmp_path / name) for name in ("one", "two")]
    one, loss = processes.train_here(configs[0], *words)
    finished = processes.train_in_two(configs[1], *words)
    assert finished.returncode == 0, finished.stderr
    two, loss_of_two = processes.results(configs[1])
    assert torch.equal(two["mined"]["tuples"], one["mined"]["tuples"])
    assert loss_of_two == pytest.approx(loss, rel=1e-5)
    processes.assert_same_steps(configs[0], one["model"], two["model"])
