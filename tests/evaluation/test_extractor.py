"""Extraction by networks and by descriptors, against the same features in NumPy."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent import distributed
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import CheckpointError, ConfigError, DataError
from fastpatent.evaluation import extractor as module
from fastpatent.evaluation.extractor import DescriptorExtractor, NetworkExtractor, build_extractor
from tests.evaluation.plain_network import PlainNetwork

CPU = torch.device("cpu")


def ink(drawing, vocabulary=None):
    """The mean ink of columns, times what was learned."""
    return (255 - drawing.astype(np.float32).mean(0)) * (1 if vocabulary is None else vocabulary["factor"])


def test_a_descriptor_replaces_the_network(plain):
    assert type(build_extractor(plain.config(), CPU)) is NetworkExtractor
    assert type(build_extractor(plain.config(**{"DESCRIPTOR.NAME": "hog"}), CPU, PlainNetwork(2))) is DescriptorExtractor


def test_a_network_is_loaded_when_it_is_first_needed(plain, caplog):
    caplog.set_level(logging.INFO, "fastpatent")
    extractor = build_extractor(plain.config(**{"TEST.METRIC": "euclidean"}), CPU)
    assert (extractor.metric, extractor.reads_texts, caplog.messages) == ("euclidean", True, [])
    found = extractor.embed_images(plain.samples, "drawings")
    np.testing.assert_allclose(found, plain.image_features(plain.samples), rtol=1e-4, atol=1e-3)
    assert sum("parameters loaded" in message for message in caplog.messages) == 1
    assert any(message.startswith("images of drawings: ") for message in caplog.messages)
    network = extractor.network
    extractor.embed_images(plain.samples[:2], "others")
    assert extractor.network is network and not network.training

    missing = build_extractor(plain.config(**{"MODEL.WEIGHTS": "nowhere.pth"}), CPU)  # is not looked for yet
    with pytest.raises(CheckpointError, match="nowhere.pth"):
        missing.embed_images(plain.samples, "drawings")


@pytest.mark.parametrize("metric, value", [("cosine", 3e38), ("cosine", np.nan), ("euclidean", 3e18)])
def test_the_first_image_whose_features_cannot_be_compared_is_named(plain, metric, value):
    network = PlainNetwork(2)
    network.columns.data[:] = value / 255
    extractor = build_extractor(plain.config(**{"TEST.METRIC": metric}), CPU, network)
    with pytest.raises(
        DataError, match=rf"^{plain.samples[0].path}: its features hold NaN or infinity, or are too long or too short"
    ):
        extractor.embed_images(plain.samples, "drawings")


def test_a_given_network_is_used_and_its_mode_is_restored(plain):
    network = PlainNetwork(2).train()
    extractor = build_extractor(plain.config(**{"MODEL.WEIGHTS": "nowhere.pth"}), CPU, network)
    extractor.embed_images(plain.samples[:5], "five images of three a batch")
    extractor.embed_texts(["a"], "one text")
    assert extractor.network is network and network.training and network.batches == [3, 2, 1]


def test_flip_scales_and_turns_are_averaged(plain):
    extractor = build_extractor(plain.config(**{"TEST.FLIP.ENABLED": True}), CPU)
    columns = plain.weights["columns"]
    mirrored = {"columns": (columns + columns[::-1]) / 2}
    expected = plain.image_features(plain.samples, mirrored)
    np.testing.assert_allclose(extractor.embed_images(plain.samples, "drawings"), expected, rtol=1e-4, atol=1e-3)

    views = []
    network = PlainNetwork(2)
    network.embed_images = lambda images, domains=None: views.append(images.shape[2:]) or images.float().mean((2, 3))
    given = {"TEST.SCALES": [1.0, 0.5], "TEST.FLIP.ENABLED": True, "TEST.TURNS": True}
    build_extractor(plain.config(**given), CPU, network).embed_images(plain.samples[:1], "one drawing")
    assert views == [(12, 16), (12, 16), (16, 12), (16, 12)] * 2 + [(6, 8), (6, 8), (8, 6), (8, 6)] * 2


def test_each_process_extracts_its_share(plain, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = {}
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(distributed, "collect", lambda rows, rank=rank: shares.update({rank: rows.numpy()}))
        assert build_extractor(plain.config(), CPU).embed_images(plain.samples, "drawings") is None
    expected = plain.image_features(plain.samples)
    for rank in range(3):
        np.testing.assert_allclose(shares[rank], expected[rank::3], rtol=1e-4, atol=1e-3)


def test_a_repeated_text_is_embedded_once(plain, monkeypatch):
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 4)
    extractor = build_extractor(plain.config(), CPU)
    texts = [f"text {number % 6}" for number in (5, 1, 1, 0, 2, 5, 4, 3, 3)]
    found = extractor.embed_texts(texts, "texts")
    assert found.dtype == np.float32 and extractor.network.batches == [4, 2]
    np.testing.assert_allclose(found, plain.text_features(texts), rtol=1e-4, atol=1e-3)


def test_without_a_text_tower_there_are_no_features_of_texts(plain):
    for given, message in (
        ({"MODEL.META_ARCHITECTURE": "Plain"}, "MODEL.META_ARCHITECTURE: Plain has no text tower"),
        ({"DESCRIPTOR.NAME": "hog"}, "DESCRIPTOR.NAME: hog has no text tower"),
    ):
        extractor = build_extractor(plain.config(**given), CPU)
        assert not extractor.reads_texts
        with pytest.raises(ConfigError, match=message):
            extractor.embed_texts(["a text"], "one text")


def test_a_descriptor_learns_its_vocabulary_when_it_is_first_needed(plain, register):
    learned = []

    def learn(paths, words, dim, seed, workers, on_drawing, read):
        learned.append(len(paths))
        return {"factor": np.float32([words])}

    register(DESCRIPTORS, "ink", Descriptor(ink, "euclidean", learn))
    extractor = build_extractor(plain.config(**{"DESCRIPTOR.NAME": "ink", "MODEL.WEIGHTS": ""}), CPU)
    assert extractor.metric == "euclidean" and not learned
    images = [255 - np.asarray(Image.open(sample.path), np.float64).mean(0) for sample in plain.samples]
    for _ in range(2):
        np.testing.assert_allclose(extractor.embed_images(plain.samples, "drawings"), 64 * np.stack(images), rtol=1e-5)
    assert learned == [20]

    other = build_extractor(plain.config(**{"DESCRIPTOR.NAME": "ink", "MODEL.WEIGHTS": "", "SEED": 1}), CPU)
    other.prepare()
    assert learned == [20, 20]


def test_the_first_process_does_the_work_of_a_descriptor(plain, register, monkeypatch):
    register(DESCRIPTORS, "ink", Descriptor(ink, learn=lambda *_: pytest.fail("learned by another process")))
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    extractor = build_extractor(plain.config(**{"DESCRIPTOR.NAME": "ink", "MODEL.WEIGHTS": ""}), CPU)
    extractor.prepare()
    assert extractor.embed_images(plain.samples, "drawings") is None


@pytest.mark.parametrize("settings", [{}, {"DESCRIPTOR.NAME": "ink"}])
def test_images_that_cannot_be_read_have_no_features_where_that_is_allowed(plain, register, settings):
    register(DESCRIPTORS, "ink", Descriptor(ink))
    samples = plain.samples
    extractor = build_extractor(plain.config(**settings, **{"DATALOADER.MAX_BROKEN": 0.1}), CPU)
    whole = extractor.embed_images(samples, "drawings")
    Path(samples[3].path).write_bytes(b"")  # the first of a batch of three, and all of the last one
    Path(samples[-1].path).write_bytes(b"")
    broken = {}
    found = extractor.embed_images(samples, "drawings", broken)
    assert list(broken) == [samples[3].path, samples[-1].path] and all("the file is empty" in why for why in broken.values())
    missing = np.zeros(len(samples), bool)
    missing[[3, -1]] = True
    assert np.isnan(found[missing]).all()
    np.testing.assert_allclose(found[~missing], whole[~missing], rtol=1e-5)
    with pytest.raises(DataError, match="the file is empty$"):
        extractor.embed_images(samples, "drawings")
    for sample in samples[4:6]:
        Path(sample.path).write_bytes(b"")
    with pytest.raises(DataError, match=f"MAX_BROKEN allows {-(-len(samples) // 10)} of {len(samples)} images"):
        extractor.embed_images(samples, "drawings", {})
