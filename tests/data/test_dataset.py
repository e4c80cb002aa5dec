"""One item and one batch, without a loader."""

import pickle

import numpy as np
import pytest
import torch

from fastpatent.data.dataset import DrawingDataset
from fastpatent.data.image import read_drawing
from fastpatent.data.image_source import DecodedDrawings
from fastpatent.data.records import Sample
from fastpatent.data.transforms import build_resize, build_train_transform
from fastpatent.errors import DataError


@pytest.fixture
def samples(tmp_path, write_drawing):
    """Three drawings of identities b, a and none."""
    return [
        Sample(str(write_drawing(tmp_path / f"{number}.png", number, (20, 24))), identity)
        for number, identity in enumerate(("b", "a", None))
    ]


@pytest.fixture
def source(cfg):
    """Source of the drawings as stored on disk."""
    cfg.INPUT.SIZE_TRAIN = [20, 24]
    return DecodedDrawings(build_resize(cfg, "SIZE_TRAIN"))


def test_a_batch_is_the_drawings_their_labels_and_places(samples, source):
    dataset = DrawingDataset(samples, {"a": 0, "b": 1}, source)
    assert len(dataset) == 3
    batch = dataset.__getitems__([(7, 2), (8, 0), (9, 1)])
    assert set(batch) == {"images", "targets", "domains", "indices", "positions"}
    assert batch["targets"].tolist() == [-1, 1, 0]
    assert batch["indices"].tolist() == [2, 0, 1] and batch["positions"].tolist() == [7, 8, 9]
    assert all(batch[name].dtype == torch.int64 for name in ("targets", "domains", "indices", "positions"))
    assert batch["images"].dtype == torch.uint8 and batch["images"].shape == (3, 1, 20, 24)
    for image, index in zip(batch["images"], (2, 0, 1)):
        np.testing.assert_array_equal(image[0].numpy(), read_drawing(samples[index].path))
    batch["images"].zero_()  # a batch is a copy: writing to it does not change the source
    assert dataset[0, 1]["images"].any()


def test_captions_are_tokenised_in_the_order_of_the_batch(samples, source):
    captioned = [sample._replace(caption=f"caption {number}") for number, sample in enumerate(samples)]
    calls = []

    def tokenize(texts):
        calls.append(texts)
        return torch.tensor([[int(text[-1])] for text in texts])

    batch = DrawingDataset(captioned, {"a": 0, "b": 1}, source, tokenize=tokenize).__getitems__([(7, 2), (8, 0)])
    assert calls == [["caption 2", "caption 0"]] and batch["texts"].tolist() == [[2], [0]]


def test_an_item_is_a_batch_of_one_without_its_first_dimension(cfg, samples, source):
    cfg.INPUT.PADDING.ENABLED = cfg.INPUT.REA.ENABLED = True
    for transform in (None, build_train_transform(cfg)):
        dataset = DrawingDataset(samples, {"a": 0, "b": 1}, source, transform, seed=3)
        batch = dataset.__getitems__([(position, position % 3) for position in range(6)])
        for position in range(6):
            item = dataset[position, position % 3]
            assert all(torch.equal(values[position], item[name]) for name, values in batch.items())


def test_drawings_of_various_sizes_are_a_list(tmp_path, write_drawing):
    sizes = [(20, 24), (31, 24), (20, 24), (50, 3)]
    samples = [Sample(str(write_drawing(tmp_path / f"{n}.png", n, size)), "a", n % 2) for n, size in enumerate(sizes)]
    dataset = DrawingDataset(samples, {"a": 0}, read_drawing)
    batch = dataset.__getitems__([(0, 3), (1, 0), (2, 1)])
    assert isinstance(batch["images"], list) and batch["domains"].tolist() == [1, 0, 1]
    for image, index in zip(batch["images"], (3, 0, 1)):
        assert image.dtype == torch.uint8 and image.shape == (1, *sizes[index])
        np.testing.assert_array_equal(image[0].numpy(), read_drawing(samples[index].path))
        image.zero_()  # it is a copy
    assert all(dataset[0, index]["images"].any() for index in range(4))
    assert dataset.__getitems__([(0, 2), (1, 0)])["images"].shape == (2, 1, 20, 24)


def test_windows_of_drawings_of_various_sizes_are_one_tensor(cfg, tmp_path, write_drawing):
    cfg.INPUT.SIZE_TRAIN, cfg.INPUT.KEEP_ASPECT, cfg.INPUT.FIT = [16, 16], True, "crop"
    sizes = [(40, 30), (31, 64), (20, 24)]
    samples = [Sample(str(write_drawing(tmp_path / f"{n}.png", n, size)), "a") for n, size in enumerate(sizes)]
    source = DecodedDrawings(build_resize(cfg, "SIZE_TRAIN"))
    dataset = DrawingDataset(samples, {"a": 0}, source, build_train_transform(cfg), seed=1)
    images = dataset.__getitems__([(position, position % 3) for position in range(30)])["images"]
    assert images.shape == (30, 1, 16, 16)
    for position, image in enumerate(images):
        whole = np.lib.stride_tricks.sliding_window_view(source(samples[position % 3].path), (16, 16))
        assert (whole == image[0].numpy()).all((2, 3)).any()


def test_the_transform_gets_the_sources_pixels(samples):
    def source(path):
        pixels = np.full((4, 5), int(path[-5]), np.uint8)
        pixels.flags.writeable = False
        return pixels

    dataset = DrawingDataset(samples, {}, source, lambda image: torch.tensor([[image.getpixel((4, 3)), *image.size]]))
    assert dataset.__getitems__([(0, 2), (1, 1)])["images"].tolist() == [[[2, 5, 4]], [[1, 5, 4]]]


def test_random_numbers_depend_on_the_position_alone(cfg, samples, source):
    cfg.INPUT.PADDING.ENABLED = cfg.INPUT.REA.ENABLED = True
    dataset = DrawingDataset(samples, {}, source, build_train_transform(cfg), seed=4)
    drawn = {position: dataset[position, 0]["images"] for position in range(20)}
    torch.manual_seed(0)
    outside = torch.get_rng_state()
    for position in (19, 3, 3):
        assert torch.equal(dataset[position, 0]["images"], drawn[position])
    assert torch.equal(torch.get_rng_state(), outside)
    assert len({image.numpy().tobytes() for image in drawn.values()}) > 15
    other = DrawingDataset(samples, {}, source, build_train_transform(cfg), seed=5)
    assert any(not torch.equal(other[position, 0]["images"], drawn[position]) for position in range(4))


def test_it_can_be_sent_to_a_spawned_process(cfg, samples, source):
    for name in ("AUTOAUG", "CROP", "PADDING", "FLIP", "CJ", "AFFINE", "AUGMIX", "REA"):
        cfg.INPUT[name].ENABLED = True
    dataset = DrawingDataset(samples, {"a": 0}, source, build_train_transform(cfg), seed=1)
    copy = pickle.loads(pickle.dumps(dataset))
    assert all(torch.equal(copy[position, 1]["images"], dataset[position, 1]["images"]) for position in range(5))


def test_an_unreadable_drawing_is_missing_in_its_batch_and_named(samples, source, tmp_path):
    (tmp_path / "1.png").write_bytes(b"no drawing")
    dataset = DrawingDataset(samples, {"a": 0, "b": 1}, source)
    batch = dataset.__getitems__([(5, 0), (6, 1), (7, 2)])
    assert batch["indices"].tolist() == [0, 2] and batch["positions"].tolist() == [5, 7] and len(batch["images"]) == 2
    assert list(batch["broken"]) == [1] and "1.png: cannot be read" in batch["broken"][1]
    assert set(dataset.__getitems__([(0, 1)])) == {"broken"}
    with pytest.raises(DataError, match="1.png: cannot be read"):
        dataset[0, 1]


def numbered(path):
    """A source of 2 x 3 pixels that are the number in a file's name; those above 99 cannot be read."""
    number = int(path)
    if number > 99:
        raise DataError(f"{number} is broken")
    return np.full((2, 3), number, np.uint8)


REPLACED = [  # paths, identities, domains, order of the batch -> what is trained on, or None
    ("1 200 3", "aaa", "000", [0, 1, 2], [0, 2, 2]),  # the next of the identity
    ("1 2 200", "aaa", "000", [2, 2, 1], [0, 0, 1]),  # and from the last on to the first
    ("1 200 201 4", "aaaa", "0000", [1, 2], [3, 3]),  # the next may be broken too
    ("1 200 3", "aab", "010", [0, 1, 2], None),  # none of its domain in the batch
    ("1 200 3", "aab", "011", [0, 1, 2], [0, 2, 2]),  # the nearest of its domain, where its identity has no other
    ("1 200 3 4", "abcd", "0000", [0, 1, 1, 2, 3], [0, 0, 0, 2, 3]),  # earlier ones first
    ("1 200 3 4", "abcd", "0000", [1, 3, 0], [3, 3, 0]),
    ("200 201", "ab", "00", [0, 1], None),
]


@pytest.mark.parametrize("paths, identities, domains, batch, expected", REPLACED)
def test_an_unreadable_drawing_is_replaced(paths, identities, domains, batch, expected):
    samples = [Sample(path, *of) for path, *of in zip(paths.split(), identities, map(int, domains))]
    labels = {"a": 0, "b": 1, "c": 2, "d": 3}
    found = DrawingDataset(samples, labels, numbered, replaces=True).__getitems__(list(enumerate(batch, 7)))
    met = {index for index in batch if int(samples[index].path) > 99}
    assert met <= set(found.pop("broken"))
    if expected is None:
        assert found == {}
        return
    assert found["indices"].tolist() == expected and found["positions"].tolist() == [*range(7, 7 + len(batch))]
    assert found["images"][:, 0, 0, 0].tolist() == [int(samples[index].path) for index in expected]
    assert found["targets"].tolist() == [labels[samples[index].identity] for index in expected]
    assert found["domains"].tolist() == [samples[index].domain for index in expected]
