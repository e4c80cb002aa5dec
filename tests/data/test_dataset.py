"""One item and one batch, without a loader."""

import pickle

import numpy as np
import pytest
import torch

from fastpatent.data.dataset import DrawingDataset, collate
from fastpatent.data.image import read_drawing
from fastpatent.data.samples import Sample
from fastpatent.data.transforms import build_test_transform, build_train_transform
from fastpatent.errors import DataError


@pytest.fixture
def samples(tmp_path, write_drawing):
    """Three drawings of identities b, a and none."""
    return [
        Sample(str(write_drawing(tmp_path / f"{number}.png", number, (20, 24))), identity)
        for number, identity in enumerate(("b", "a", None))
    ]


def test_an_item_is_the_drawing_its_label_and_its_place(cfg, samples):
    cfg.INPUT.SIZE_TEST = [20, 24]
    dataset = DrawingDataset(samples, {"a": 0, "b": 1}, build_test_transform(cfg))
    assert len(dataset) == 3
    batch = collate(dataset.__getitems__([(7, 2), (8, 0), (9, 1)]))
    assert batch["targets"].tolist() == [-1, 1, 0] and batch["indices"].tolist() == [2, 0, 1]
    assert batch["targets"].dtype == batch["indices"].dtype == torch.int64 and batch["images"].dtype == torch.uint8
    for image, index in zip(batch["images"], (2, 0, 1)):
        np.testing.assert_array_equal(image[0].numpy(), read_drawing(samples[index].path))


def test_chance_is_that_of_the_position(cfg, samples):
    cfg.INPUT.PADDING.ENABLED = cfg.INPUT.REA.ENABLED = True
    dataset = DrawingDataset(samples, {}, build_train_transform(cfg), seed=4)
    drawn = {position: dataset[position, 0]["images"] for position in range(20)}
    torch.manual_seed(0)
    outside = torch.get_rng_state()
    for position in (19, 3, 3):
        assert torch.equal(dataset[position, 0]["images"], drawn[position])
    assert torch.equal(torch.get_rng_state(), outside)
    assert len({image.numpy().tobytes() for image in drawn.values()}) > 15
    other = DrawingDataset(samples, {}, build_train_transform(cfg), seed=5)
    assert any(not torch.equal(other[position, 0]["images"], drawn[position]) for position in range(4))


def test_it_travels_to_a_spawned_process(cfg, samples):
    for name in ("AUTOAUG", "CROP", "PADDING", "FLIP", "CJ", "AFFINE", "AUGMIX", "REA"):
        cfg.INPUT[name].ENABLED = True
    dataset = DrawingDataset(samples, {"a": 0}, build_train_transform(cfg), seed=1)
    copy = pickle.loads(pickle.dumps(dataset))
    assert all(torch.equal(copy[position, 1]["images"], dataset[position, 1]["images"]) for position in range(5))


def test_an_unreadable_drawing_is_a_value_until_it_is_raised(cfg, samples, tmp_path):
    (tmp_path / "1.png").write_bytes(b"no drawing")
    dataset = DrawingDataset(samples, {}, build_test_transform(cfg))
    error = collate(dataset.__getitems__([(0, 0), (1, 1)]))
    assert isinstance(error, DataError) and "1.png" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
