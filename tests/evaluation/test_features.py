import numpy as np
import pytest
import torch
from torch import nn

from fastpatent.commands.parts import with_classes
from fastpatent.config import load_config
from fastpatent.engine.device import extraction_precision
from fastpatent.errors import DataError
from fastpatent.evaluation import features as extraction
from fastpatent.evaluation.features import extract_features
from fastpatent.models import build_model
from tests.waiting import NothingWaits

CPU = torch.device("cpu")
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")


class Columns(nn.Module):
    """The mean of every column: sees a mirror, and behaves otherwise in training mode."""

    def forward(self, images):
        assert not self.training
        return images.float().mean((1, 2))


class Batches:
    """A loader of three drawings at a time, in any order."""

    def __init__(self, images, order=None, pinned=False):
        self.dataset, self.order, self.pinned = images, range(len(images)) if order is None else order, pinned

    def __iter__(self):
        for indices in torch.tensor(self.order).split(3) if len(self.order) else ():
            images = self.dataset[indices]
            yield {"images": images.pin_memory() if self.pinned else images, "indices": indices}


def drawings(count, size=(5, 6)):
    return torch.randint(0, 256, (count, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network():
    """A ResNet with IBN, non-local blocks and GeM pooling, as the challenge's, and silent nowhere."""
    settings = {"DEPTH": "50x", "WITH_IBN": "True", "WITH_NL": "True"}
    words = [word for name, value in settings.items() for word in (f"MODEL.BACKBONE.{name}", value)]
    words += ["MODEL.HEADS.POOL_LAYER", "GeneralizedMeanPoolingP", "MODEL.HEADS.WITH_BNNECK", "True"]
    torch.manual_seed(0)
    model = build_model(with_classes(load_config(overrides=words), 2))
    for name, parameter in model.named_parameters():
        if name.startswith("backbone.NL"):
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("flip", [False, True])
def test_rows_come_in_the_order_of_the_drawings(flip):
    images = drawings(8)
    done = []
    model = Columns().train()
    loader = Batches(images, [3, 1, 7, 0, 2, 6, 5, 4])
    features = extract_features(model, loader, CPU, extraction_precision("fp32"), flip, done.append)
    columns = images[:, 0].double().mean(1).numpy()
    expected = (columns + columns[:, ::-1]) / 2 if flip else columns
    np.testing.assert_allclose(features, expected, rtol=1e-6)
    assert features.dtype == np.float32 and done == [3, 6, 8] and model.training


@pytest.mark.parametrize("precision, flip", [("fp32", False), ("fp32", True), ("bf16", False)])
def test_features_are_to_the_bit_those_of_one_batch_after_another(network, precision, flip):
    loader = Batches(drawings(7, (48, 48)))
    expected = []
    with torch.inference_mode(), extraction_precision(precision).autocast(CPU):
        for batch in loader:
            rows = network(batch["images"]).float()
            expected.append((rows + network(batch["images"].flip(-1)).float()) / 2 if flip else rows)
    found = extract_features(network, loader, CPU, extraction_precision(precision), flip)
    np.testing.assert_array_equal(found, torch.cat(expected).numpy())


@pytest.mark.parametrize("count, processes", [(8, 3), (3, 5)])
def test_shares_of_several_processes_come_together_on_the_first(count, processes, monkeypatch):
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
    with pytest.raises(DataError, match="no drawing"):
        extract_features(Columns(), Batches(drawings(0)), CPU, extraction_precision("fp32"))


def test_an_error_while_reading_leaves_the_network_as_it_was():
    def torn():
        yield from Batches(drawings(3))
        raise DataError("7.png is torn")

    model = Columns().train()
    loader = type("Torn", (), {"dataset": drawings(6), "__iter__": lambda self: torn()})()
    with pytest.raises(DataError, match="7.png"):
        extract_features(model, loader, CPU, extraction_precision("fp32"))
    assert model.training


def test_the_host_waits_for_a_batch_only_when_two_later_ones_are_queued(monkeypatch):
    queued, waited = [], []

    class Event:
        def __init__(self):
            self.number = len(queued)

        def synchronize(self):
            waited.append((self.number, len(queued)))

    class Counting(Columns):
        def forward(self, images):
            queued.append(len(images))
            return super().forward(images)

    monkeypatch.setattr(extraction, "_send", lambda *sent: extraction._Arrival(*sent, Event()))
    extract_features(Counting(), Batches(drawings(15)), CPU, extraction_precision("fp32"))
    assert waited == [(1, 3), (2, 4), (3, 5), (4, 5), (5, 5)]


def test_nothing_in_the_loop_waits_for_the_device(network):
    with NothingWaits():
        extract_features(network, Batches(drawings(7, (48, 48))), CPU, extraction_precision("bf16"), flip=True)


@needs_card
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_card_is_waited_for_by_events_alone(network, precision):
    card, loader = torch.device("cuda", 0), Batches(drawings(31, (64, 64)), pinned=True)
    model, chosen = network.to(card), extraction_precision(precision)
    expected = []
    with torch.inference_mode(), chosen.autocast(card):
        for batch in loader:  # a first pass also sets up the libraries, which waits
            images = batch["images"].to(card)
            expected.append(((model(images).float() + model(images.flip(-1)).float()) / 2).cpu())
    try:
        torch.cuda.set_sync_debug_mode("error")
        found = extract_features(model, loader, card, chosen, flip=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        network.to(CPU)
    expected = torch.cat(expected).numpy()
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@needs_card
def test_rows_of_a_slow_card_are_not_read_too_early():
    class Slow(Columns):
        def forward(self, images):
            torch.cuda._sleep(20_000_000)
            return super().forward(images)

    images = drawings(12)
    found = extract_features(Slow(), Batches(images, pinned=True), torch.device("cuda", 0), extraction_precision("fp32"))
    np.testing.assert_allclose(found, images[:, 0].double().mean(1), rtol=1e-6)
