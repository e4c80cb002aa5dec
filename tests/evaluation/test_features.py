"""Extraction of features: rows in the order of the images, averages over views, sizes, processes and the device's queue."""

from contextlib import nullcontext
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from fastpatent.config import load_config
from fastpatent.device import extraction_precision
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation import features as extraction
from fastpatent.evaluation.features import Features, extract_features
from fastpatent.models import Network, build_model, with_classes
from tests.switches import IEEE, LESS, TF32, arithmetic, less_allowed
from tests.waiting import NothingWaits

CPU = torch.device("cpu")


class Columns(Network):
    """The mean of every column, which changes with a mirror; refuses to run in training mode."""

    def embed_images(self, images, domains=None):
        assert not self.training
        return images.float().mean((1, 2))


class Moments(Network):
    """Numbers that depend on where the ink is, for drawings of any size; `calls` are the (shape, domains) it was given."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def embed_images(self, images, domains=None):
        self.calls.append((tuple(images.shape), domains.tolist()))
        height, width = images.shape[2:]
        down, across = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
        grey = images[:, 0].float()
        weights = (torch.ones(1), down, across, down * across**2)
        return torch.stack([(grey * weight).mean((1, 2)) for weight in weights], 1)


class Batches:
    """A loader of three drawings at a time, in any order; drawings of various sizes come as a list."""

    def __init__(self, images, order=None, pinned=False, domains=None):
        self.dataset, self.order, self.pinned = images, order or list(range(len(images))), pinned
        self.domains = torch.zeros(len(images), dtype=torch.int64) if domains is None else domains

    def __iter__(self):
        for start in range(0, len(self.order), 3):
            places = self.order[start : start + 3]
            indices = torch.tensor(places)
            if isinstance(self.dataset, list):
                images = [self.dataset[place] for place in places]
            else:
                images = self.dataset[indices].pin_memory() if self.pinned else self.dataset[indices]
            yield {"images": images, "domains": self.domains[indices], "indices": indices}


def drawings(count, size=(5, 6)):
    return torch.randint(0, 256, (count, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network():
    """A ResNet with IBN, non-local blocks and GeM pooling, as the challenge's, in which every layer has an effect."""
    settings = {"DEPTH": "50x", "WITH_IBN": "True", "WITH_NL": "True"}
    words = [word for name, value in settings.items() for word in (f"MODEL.BACKBONE.{name}", value)]
    words += ["MODEL.HEADS.POOL_LAYER", "GeneralizedMeanPoolingP", "MODEL.HEADS.WITH_BNNECK", "True"]
    torch.manual_seed(0)
    model = build_model(with_classes(load_config(overrides=words), 2))
    for name, parameter in model.named_parameters():
        if name.startswith("backbone.NL"):
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_all_features_are_queries_then_gallery():
    query, gallery = np.zeros((2, 3), np.float32), np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(Features("net", query, gallery).all, np.repeat([0.0, 1.0], [2, 4])[:, None] * np.ones(3))


@pytest.mark.parametrize("flip", [False, True])
def test_rows_are_in_the_order_of_the_drawings(flip):
    images = drawings(8)
    done = []
    model = Columns().train()
    loader = Batches(images, [3, 1, 7, 0, 2, 6, 5, 4])
    features = extract_features(model, loader, CPU, extraction_precision("fp32"), flip, done.append)
    columns = images[:, 0].double().mean(1).numpy()
    expected = (columns + columns[:, ::-1]) / 2 if flip else columns
    np.testing.assert_allclose(features, expected, rtol=1e-6)
    assert features.dtype == np.float32 and done == [3, 6, 8] and model.training


def test_features_are_bit_by_bit_those_of_one_batch_after_another(network):
    loader = Batches(drawings(7, (48, 48)))
    for precision, flip in (("fp32", True), ("bf16", False)):
        expected = []
        with torch.inference_mode(), extraction_precision(precision).autocast(CPU):
            for batch in loader:
                rows = network(batch["images"]).float()
                expected.append((rows + network(batch["images"].flip(-1)).float()) / 2 if flip else rows)
        found = extract_features(network, loader, CPU, extraction_precision(precision), flip, scales=[1.0])
        np.testing.assert_array_equal(found, torch.cat(expected).numpy(), err_msg=precision)


def ragged(sizes):
    return [drawings(number + 1, size)[number] for number, size in enumerate(sizes)]


def plain_moments(image, flip=False):
    """Moments of one drawing [1, height, width] in float64."""
    grey = image[0].double().numpy()[:, :: -1 if flip else 1]
    down, across = np.linspace(0, 1, grey.shape[0])[:, None], np.linspace(0, 1, grey.shape[1])
    return [(grey * weight).mean() for weight in (1, down, across, down * across**2)]


@pytest.mark.parametrize("flip", [False, True])
def test_drawings_of_various_sizes_are_grouped_by_size(flip):
    images = ragged([(5, 6), (9, 6), (5, 6), (6, 5), (6, 5), (6, 5), (40, 70)])
    domains, done, model = torch.arange(7), [], Moments()
    loader = Batches(images, [2, 1, 0, 3, 4, 5, 6], domains=domains)
    features = extract_features(model, loader, CPU, extraction_precision("fp32"), flip, done.append)
    truth = np.array([plain_moments(image) for image in images])
    if flip:
        truth = (truth + [plain_moments(image, True) for image in images]) / 2
    np.testing.assert_allclose(features, truth, rtol=1e-5)
    groups = [((2, 1, 5, 6), [2, 0]), ((1, 1, 9, 6), [1]), ((3, 1, 6, 5), [3, 4, 5]), ((1, 1, 40, 70), [6])]
    assert model.calls == [group for group in groups for _ in range(1 + flip)] and done == [2, 3, 6, 7]


def test_each_drawing_goes_with_its_domain():
    """A network of two towers, here of two signs."""

    class Signs(Columns):
        def embed_images(self, images, domains=None):
            assert domains.device == CPU
            return super().embed_images(images) * torch.where(domains == 1, -1, 1)[:, None]

    images, domains = drawings(8, (6, 6)), torch.tensor([0, 1, 1, 0, 0, 1, 0, 1])
    loader = Batches(images, [3, 1, 7, 0, 2, 6, 5, 4], domains=domains)
    found = extract_features(Signs(), loader, CPU, extraction_precision("fp32"), flip=True, turns=True)
    sides = images[:, 0].double().mean(1).numpy() + images[:, 0].double().mean(2).numpy()  # of columns and of rows
    np.testing.assert_allclose(found, (sides + sides[:, ::-1]) / 4 * (1 - 2 * domains.numpy()[:, None]), rtol=1e-6)


def tent_weights(side, wanted):
    """float64 [wanted, side]: what each pixel of a row of `side` gives to `wanted` pixels, by a tent as wide as they are."""
    step = side / wanted
    distance = np.abs((np.arange(wanted)[:, None] + 0.5) * step - (np.arange(side) + 0.5)) / max(step, 1)
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("various", [False, True])
def test_scales_and_turns_are_averaged(various):
    images = ragged([(21, 30), (33, 18), (21, 30), (16, 16)]) if various else drawings(4, (21, 30))
    for scales in ((1.0,), (0.5,), (1.0, 0.7071, 0.5), (1.0, 1.5), (0.01, 2.0)):
        for flip, turns in product((False, True), repeat=2):
            found = extract_features(
                Moments(), Batches(images), CPU, extraction_precision("fp32"), flip, None, scales, turns
            )
            expected = []
            for image in images:
                rows = []
                for scale in scales:
                    height, width = (max(round(side * scale), 1) for side in image.shape[1:])
                    down, across = tent_weights(image.shape[1], height), tent_weights(image.shape[2], width)
                    resized = down @ image[0].double().numpy() @ across.T
                    turned = [np.rot90(resized, -turn) for turn in range(4 if turns else 1)]
                    views = [torch.from_numpy(view.copy())[None] for view in turned]
                    rows += [plain_moments(*view) for view in product(views, [False, True] if flip else [False])]
                expected.append(np.mean(rows, axis=0))
            np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=f"{scales}, flip {flip}, turns {turns}")


def test_a_turned_or_mirrored_image_has_the_features_of_the_image(network):
    images = drawings(3, (48, 32))
    views = [torch.rot90(images, turn, (2, 3)) for turn in range(4)]
    with torch.inference_mode():
        expected = sum(network(view) + network(torch.flip(view, (2,))) for view in views) / 8
    for batch in (*views, images.flip(3)):
        found = extract_features(network, Batches(batch), CPU, extraction_precision("fp32"), flip=True, turns=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_a_network_of_one_size_names_the_key():
    words = ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "swinv2_cr_tiny_ns_224"]
    words += ["INPUT.SIZE_TRAIN", "[64,96]", "INPUT.SIZE_TEST", "[64,96]"]
    swin = build_model(with_classes(load_config(overrides=words), 2))
    for size, views, message in (
        ((64, 80), {}, "INPUT.FIT, INPUT.SIZE_TEST: the network takes no images of 64 x 80"),
        ((64, 96), {"scales": (1.0, 0.5)}, "TEST.SCALES: 0.5: the network takes no images of 32 x 48"),
        ((64, 96), {"turns": True}, "TEST.TURNS, INPUT.FIT, INPUT.SIZE_TEST: the network takes no images of 96 x 64"),
    ):
        with pytest.raises(ConfigError, match=f"^{message}"):
            extract_features(swin, Batches(drawings(2, size)), CPU, extraction_precision("fp32"), **views)


@pytest.mark.parametrize("count, processes", [(8, 3), (3, 5)])
def test_rows_of_several_processes_are_joined_by_the_first(count, processes, monkeypatch):
    images, shares = drawings(count), []
    for rank in reversed(range(processes)):

        def collect(rows, rank=rank):
            shares.insert(0, rows)
            return None if rank else shares

        monkeypatch.setattr(extraction.distributed, "collect", collect)
        features = extract_features(Columns(), Batches(images[rank::processes]), CPU, extraction_precision("fp32"))
        assert (features is None) == (rank > 0)
    np.testing.assert_allclose(features, images[:, 0].double().mean(1), rtol=1e-6)


def test_no_drawing_is_an_error():
    with pytest.raises(DataError, match="there is no image"):
        extract_features(Columns(), Batches(drawings(0)), CPU, extraction_precision("fp32"))


def test_an_error_while_reading_restores_the_mode_of_the_network():
    def torn():
        yield from Batches(drawings(3))
        raise DataError("7.png is torn")

    model = Columns().train()
    loader = type("Torn", (), {"dataset": drawings(6), "__iter__": lambda self: torn()})()
    with pytest.raises(DataError, match="7.png"):
        extract_features(model, loader, CPU, extraction_precision("fp32"))
    assert model.training


@pytest.mark.parametrize("precision, expected", [("fp32", IEEE), ("tf32", TF32), ("bf16", IEEE), ("fp16", IEEE)])
def test_the_switches_of_torch_are_those_of_extraction_and_then_as_before(precision, expected, monkeypatch):
    """cuDNN measures no algorithm for each of many sizes, and float32 is what TEST.PRECISION says."""
    found = []

    class Switches(Columns):
        def embed_images(self, images, domains=None):
            found.append((torch.backends.cudnn.benchmark, arithmetic()))
            if len(found) == 3:
                raise DataError("7.png is torn")
            return super().embed_images(images)

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    various = Batches(ragged([(5, 6), (9, 6)]))
    for loader, ends in ((various, nullcontext()), (Batches(drawings(2)), pytest.raises(DataError))):
        with less_allowed():
            with ends:
                extract_features(Switches(), loader, CPU, extraction_precision(precision), scales=[1.0])
            assert torch.backends.cudnn.benchmark and arithmetic() == LESS
    assert found == [(False, expected)] * 3


def test_the_host_waits_for_a_batch_only_when_two_later_ones_are_queued(monkeypatch):
    queued, waited = [], []

    class Event:
        def __init__(self):
            self.number = len(queued)

        def synchronize(self):
            waited.append((self.number, len(queued)))

    class Counting(Columns):
        def embed_images(self, images, domains=None):
            queued.append(len(images))
            return super().embed_images(images)

    monkeypatch.setattr(extraction, "_send", lambda *sent: extraction._Arrival(*sent, Event()))
    extract_features(Counting(), Batches(drawings(15)), CPU, extraction_precision("fp32"))
    assert waited == [(1, 3), (2, 4), (3, 5), (4, 5), (5, 5)]


def test_nothing_in_the_loop_waits_for_the_device(network):
    with NothingWaits():
        extract_features(network, Batches(drawings(7, (48, 48))), CPU, extraction_precision("bf16"), flip=True)
        various = Batches(ragged([(8, 8), (9, 8), (8, 8), (8, 8)]))
        extract_features(Moments(), various, CPU, extraction_precision("bf16"), flip=True, scales=[1.0, 0.7])


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_is_waited_for_by_events_alone(network, precision):
    gpu, loader = torch.device("cuda", 0), Batches(drawings(31, (64, 64)), pinned=True)
    model, chosen = network.to(gpu), extraction_precision(precision)
    expected = []
    with torch.inference_mode(), chosen.autocast(gpu):
        for batch in loader:  # a first pass also sets up the libraries, which waits
            images = batch["images"].to(gpu)
            expected.append(((model(images).float() + model(images.flip(-1)).float()) / 2).cpu())
    try:
        torch.cuda.set_sync_debug_mode("error")
        found = extract_features(model, loader, gpu, chosen, flip=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        network.to(CPU)
    expected = torch.cat(expected).numpy()
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.cuda
def test_rows_of_a_slow_gpu_are_not_read_too_early():
    class Slow(Columns):
        def embed_images(self, images, domains=None):
            torch.cuda._sleep(20_000_000)
            return super().embed_images(images)

    images = drawings(12)
    found = extract_features(Slow(), Batches(images, pinned=True), torch.device("cuda", 0), extraction_precision("fp32"))
    np.testing.assert_allclose(found, images[:, 0].double().mean(1), rtol=1e-6)
