"""From a configuration to features and metrics, against the same features and matrices in NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import yaml
from PIL import Image

from fastpatent import distributed
from fastpatent.data.load_datasets import load_training_set
from fastpatent.data.records import Splits
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation import extractor as extracting
from fastpatent.evaluation.pipeline import Pipeline, best_metric
from fastpatent.models import Network
from fastpatent.registry import METRICS
from fastpatent.retrieval.metrics import Metric
from tests.evaluation.plain_network import PlainNetwork, PlainRun, components
from tests.forked import in_two_processes

CPU = torch.device("cpu")
WHITE = {"TEST.WHITENING.ENABLED": True, "TEST.WHITENING.DIM": 4}


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)


def cosines(query, gallery):
    return unit(query.astype(np.float64)) @ unit(gallery.astype(np.float64)).T


def whitened(learned_on, sides, dim):
    """PCA whitening of `sides` by a singular value decomposition in float64."""
    learned_on = unit(learned_on)
    mean = learned_on.mean(0)
    _, deviations, directions = np.linalg.svd(learned_on - mean, full_matrices=False)
    scaled = directions[:dim].T / deviations[:dim]
    return [(unit(side) - mean) @ scaled for side in sides]


def mean_average_precision(scores, splits):
    """By a sort and a loop."""
    found = []
    for row, asked in zip(scores, splits.query):
        relevant = [splits.gallery[place].identity == asked.identity for place in np.argsort(-row, kind="stable")]
        places = np.flatnonzero(relevant) + 1
        found.append(np.mean([(number + 1) / place for number, place in enumerate(places)]))
    return np.mean(found)


@pytest.fixture
def loads(monkeypatch):
    """The configurations of which a network was loaded."""
    calls, load = [], extracting.load_trained

    def counting(cfg, device):
        calls.append(cfg)
        return load(cfg, device)

    monkeypatch.setattr(extracting, "load_trained", counting)
    return calls


@pytest.fixture
def extractions(monkeypatch):
    """The names under which images were embedded by networks."""
    names, embed = [], extracting.NetworkExtractor.embed_images

    def counting(self, samples, name, broken=None):
        names.append(name)
        return embed(self, samples, name, broken)

    monkeypatch.setattr(extracting.NetworkExtractor, "embed_images", counting)
    return names


def split(plain, rows):
    return np.split(rows, [len(plain.splits.query)])


def write_member(plain, name, settings):
    """Write the configuration file of a member of an ensemble."""
    (plain.folder / name).write_text(yaml.safe_dump(nested(settings)))
    return str(plain.folder / name)


def nested(settings):
    """{dotted key: value} as sections."""
    tree = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = value
    return tree


def test_features_of_a_network_are_extracted_once_and_cached(plain, loads):
    pipeline = Pipeline(plain.config(), CPU)
    assert (pipeline.reads_texts, loads) == (True, [])
    (found,) = pipeline.features(plain.splits)
    assert found.metric == "cosine"
    query, gallery = split(plain, plain.image_features(plain.samples))
    assert found.name == "network" and found.query.dtype == np.float32
    np.testing.assert_allclose(found.query, query, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.gallery, gallery, rtol=1e-4, atol=1e-3)

    (again,) = Pipeline(plain.config(**{"TEST.METRIC": "euclidean"}), CPU, name="cached").features(plain.splits)
    assert again.name == "cached" and len(loads) == 1
    np.testing.assert_array_equal(again.all, found.all)
    assert sorted(path.name for path in (plain.folder / "run/features").iterdir()) == ["Drawings.json", "Drawings.npy"]


def test_features_are_not_cached_on_request_or_of_a_network_in_training(plain, loads):
    cfg = plain.config()
    (found,) = Pipeline(cfg, CPU).features(plain.splits, cached=False)
    np.testing.assert_allclose(found.all, plain.image_features(plain.samples), rtol=1e-4, atol=1e-3)

    network = PlainNetwork(6)
    with torch.no_grad():
        network.columns.normal_(generator=torch.Generator().manual_seed(1))
    ensemble = plain.config(**{"TEST.ENSEMBLE.CONFIGS": ["nowhere.yml"]})  # of finished networks, so it is not built
    training = Pipeline(ensemble, CPU, network)
    for _ in range(2):  # the second time with other weights
        weights = {"columns": network.columns.detach().double().numpy()}
        (found,) = training.features(plain.splits)
        np.testing.assert_allclose(found.all, plain.image_features(plain.samples, weights), rtol=1e-4, atol=1e-3)
        assert found.name == "network" and network.training
        with torch.no_grad():
            network.columns.mul_(-1)
    assert len(loads) == 1 and not (plain.folder / "run").exists()


def test_whitening_is_learned_once_on_training_drawings(plain, extractions):
    pipeline = Pipeline(plain.config(**WHITE), CPU, name="net")
    other = Splits("Other", [], plain.splits.gallery[:3], plain.splits.query)
    rows, of_other = pipeline.features(plain.splits), pipeline.features(other)
    assert [found.name for found in rows] == [found.name for found in of_other] == ["net", "net + whitening"]
    assert extractions == ["Drawings", "Drawings-whitening", "Other"]

    sides = split(plain, plain.image_features(plain.samples))
    learned_on = plain.image_features(load_training_set(plain.config()))
    np.testing.assert_allclose(rows[0].query, sides[0], rtol=1e-4, atol=1e-3)
    assert rows[1].query.shape[1] == 4
    expected = cosines(*whitened(learned_on, sides, 4))
    np.testing.assert_allclose(cosines(rows[1].query, rows[1].gallery), expected, atol=1e-3)
    expected = cosines(*whitened(learned_on, [sides[1][:3], sides[0]], 4))
    np.testing.assert_allclose(cosines(of_other[1].query, of_other[1].gallery), expected, atol=1e-3)

    extractions.clear()
    Pipeline(plain.config(**WHITE), CPU).features(plain.splits)
    assert extractions == []  # both sets are cached
    Pipeline(plain.config(**WHITE), CPU).features(plain.splits, cached=False)
    assert extractions == ["Drawings"]  # what whitening is learned on is a data set of the configuration


def test_more_dimensions_than_the_features_have_are_refused_before_whitening_is_learned(plain, extractions):
    with pytest.raises(ConfigError, match="TEST.WHITENING.DIM is 7, but the features have only 6 dimensions"):
        Pipeline(plain.config(**WHITE | {"TEST.WHITENING.DIM": 7}), CPU).features(plain.splits)
    assert extractions == ["Drawings"]


def test_queries_are_mixed_with_their_captions(plain):
    query, gallery = map(unit, split(plain, plain.image_features(plain.samples)))
    for row, sample in enumerate(plain.splits.query):
        if sample.caption:
            query[row] = 0.7 * query[row] + 0.3 * unit(plain.text_features([sample.caption]))[0]
    pipeline = Pipeline(plain.config(**{"TEST.TEXT_WEIGHT": 0.3}), CPU)
    bare, mixed = pipeline.features(plain.splits)
    assert (bare.name, mixed.name) == ("network", "network + captions of the queries (weight 0.3)")
    np.testing.assert_allclose(mixed.query, unit(query), atol=1e-5)
    np.testing.assert_array_equal(mixed.gallery, bare.gallery)

    result = pipeline.evaluate(plain.splits)
    assert [evaluation.name for evaluation in result.evaluations] == [bare.name, mixed.name]
    expected = mean_average_precision(cosines(query, gallery), plain.splits)
    assert result.evaluations[-1].summary["mAP"] == pytest.approx(expected)
    without = Splits("Bare", [], [sample._replace(caption=None) for sample in plain.splits.query], plain.splits.gallery)
    bare, mixed = pipeline.features(without)
    np.testing.assert_allclose(mixed.query, unit(bare.query), atol=1e-6)


def test_text_weights_that_cannot_be_used_are_refused(plain):
    weight = {"TEST.TEXT_WEIGHT": 0.3}
    member = write_member(plain, "a.yml", plain.settings())
    for settings, message in (
        (weight | WHITE, "TEST.TEXT_WEIGHT: whitened images are not in the space of the texts"),
        (weight | {"MODEL.META_ARCHITECTURE": "Plain"}, "TEST.TEXT_WEIGHT: the network has no text tower"),
        (weight | {"DESCRIPTOR.NAME": "pixels"}, "TEST.TEXT_WEIGHT: the network has no text tower"),
        (weight | {"TEST.ENSEMBLE.CONFIGS": [member, member]}, "TEST.TEXT_WEIGHT: .* TEST.ENSEMBLE.CONFIGS"),
    ):
        with pytest.raises(ConfigError, match=message):
            Pipeline(plain.config(**settings), CPU)


@pytest.fixture
def ensemble(plain):
    """The settings of an ensemble of a whitened network, another one, and a descriptor, of different dimensions."""
    members = {
        "a.yml": WHITE | {"OUTPUT_DIR": str(plain.folder / "a")},
        "b.yml": {
            "MODEL.WEIGHTS": str(plain.folder / "other.pth"),
            "MODEL.HEADS.EMBEDDING_DIM": 9,
            "OUTPUT_DIR": str(plain.folder / "b"),
            "TEST.METRIC": "euclidean",
        },
        "c.yml": {"MODEL.WEIGHTS": "", "DESCRIPTOR.NAME": "pixels", "OUTPUT_DIR": str(plain.folder / "c")},
    }
    plain.other = plain.write_weights("other.pth", 9, seed=5)
    files = [write_member(plain, name, plain.settings(**settings)) for name, settings in members.items()]
    return {"TEST.ENSEMBLE.CONFIGS": files, "TEST.ENSEMBLE.WEIGHTS": [3, 1, 0.5], "MODEL.WEIGHTS": ""}


def test_an_ensemble_joins_what_each_member_asks_for(plain, ensemble):
    pipeline = Pipeline(plain.config(**ensemble), CPU, name="not of an ensemble")
    assert not pipeline.reads_texts
    rows = pipeline.features(plain.splits)
    files = ensemble["TEST.ENSEMBLE.CONFIGS"]
    names = [files[0], f"{files[0]} + whitening", files[1], files[2], "ensemble of 3"]
    assert [found.name for found in rows] == names
    sides = split(plain, plain.image_features(plain.samples))
    white = cosines(*whitened(plain.image_features(load_training_set(plain.config())), sides, 4))
    plain_cosines = cosines(*split(plain, plain.image_features(plain.samples, plain.other)))
    pixels = [1 - np.asarray(Image.open(s.path).resize((32, 32), Image.Resampling.BOX), float) / 255 for s in plain.samples]
    pixel_cosines = cosines(*split(plain, np.stack(pixels).reshape(len(pixels), -1)))
    expected = (3 * white + plain_cosines + 0.5 * pixel_cosines) / 4.5
    np.testing.assert_allclose(cosines(rows[-1].query, rows[-1].gallery), expected, atol=1e-3)
    np.testing.assert_allclose(rows[-1].query @ rows[-1].gallery.T, expected, atol=1e-3)

    result = pipeline.evaluate(plain.splits)
    assert [evaluation.name for evaluation in result.evaluations] == names
    assert [name for name, _ in result.texts] == files[:2]
    assert pipeline.measures_texts and not pipeline.reads_texts
    assert [evaluation.features.metric for evaluation in result.evaluations] == [
        "cosine",
        "cosine",
        "euclidean",
        "cosine",
        "cosine",
    ]
    assert result.summary["mAP"] == pytest.approx(mean_average_precision(expected, plain.splits))
    for name in "abc":
        assert (plain.folder / name / "features" / "Drawings.npy").exists(), name


def test_a_single_member_is_whitened_by_its_own_settings(plain, ensemble):
    """Texts are then not in the space of its images, although the ensemble's own settings do not mention whitening."""
    ensemble = ensemble | {"TEST.ENSEMBLE.CONFIGS": ensemble["TEST.ENSEMBLE.CONFIGS"][:1], "TEST.ENSEMBLE.WEIGHTS": []}
    pipeline = Pipeline(plain.config(**ensemble), CPU, name="alone")
    assert [found.name for found in pipeline.features(plain.splits)] == ["alone", "alone + whitening"]
    with pytest.raises(ConfigError, match="alone is joined or whitened"):
        pipeline.embed_texts(["a text"], "a text")


def test_every_row_or_only_what_the_configuration_asks_for(plain):
    processed = {"TEST.AQE.ENABLED": True, "TEST.AQE.QE_K": 3, "TEST.RERANK.ENABLED": True, "TEST.RERANK.K1": 4}
    pipeline = Pipeline(plain.config(**WHITE | processed), CPU)
    every, last = pipeline.evaluate(plain.splits), pipeline.evaluate(plain.splits, every=False)
    white = "network + whitening"
    expanded = f"{white} + query expansion (k 3)"
    names = ["network", white, expanded, f"{expanded} + re-ranking (k1 4, k2 6)"]
    assert [evaluation.name for evaluation in every.evaluations] == names
    assert [evaluation.name for evaluation in last.evaluations] == names[-1:]
    np.testing.assert_array_equal(last.evaluations[0].ranking, every.evaluations[-1].ranking)
    assert last.summary == every.summary and every.splits is plain.splits
    sides = split(plain, plain.image_features(plain.samples))
    assert every.evaluations[0].summary["mAP"] == pytest.approx(mean_average_precision(cosines(*sides), plain.splits))
    assert every.evaluations[0].features.query.shape[1] == 6 and every.evaluations[-1].features.query.shape[1] == 4


def test_images_and_their_texts_are_measured_where_both_are_there(plain):
    result = Pipeline(plain.config(), CPU).evaluate(plain.splits, every=False)
    captioned = [sample for sample in plain.samples if sample.caption]
    scores = cosines(plain.text_features([sample.caption for sample in captioned]), plain.image_features(captioned))
    names = np.array([sample.identity for sample in captioned])
    first = names[np.argsort(-scores, axis=1, kind="stable")[:, 0]] == names
    once = list({(sample.identity, sample.caption): row for row, sample in reversed(list(enumerate(captioned)))}.values())
    ((name, metrics),) = result.texts
    assert name == "network" and metrics.pairs == len(captioned) and metrics.texts == len(once)
    assert result.summary["T2I-R@1"] == pytest.approx(first[once].mean())
    assert {"mAP", "mean-R", "I2T-R@10"} <= result.summary.keys()

    sides = plain.splits.query, plain.splits.gallery
    without = Splits("Bare", [], *([sample._replace(caption=None) for sample in side] for side in sides))
    for settings, splits in (({}, without), ({"MODEL.META_ARCHITECTURE": "Plain"}, plain.splits)):
        result = Pipeline(plain.config(**settings), CPU).evaluate(splits)
        assert not result.texts and "mean-R" not in result.summary, settings


def test_a_descriptor_has_its_own_metric_and_name(plain, register):
    register(DESCRIPTORS, "ink", Descriptor(lambda drawing: 255 - drawing.astype(np.float32).mean(0), "euclidean"))
    pipeline = Pipeline(plain.config(**{"DESCRIPTOR.NAME": "ink", "MODEL.WEIGHTS": "", "TEST.METRIC": "cosine"}), CPU)
    result = pipeline.evaluate(plain.splits)
    ink = np.stack([255 - np.asarray(Image.open(sample.path), np.float64).mean(0) for sample in plain.samples])
    query, gallery = split(plain, ink)
    distances = np.linalg.norm(query[:, None] - gallery, axis=2)
    (evaluation,) = result.evaluations
    assert (evaluation.features.metric, evaluation.name) == ("euclidean", "ink")
    assert result.summary["mAP"] == pytest.approx(mean_average_precision(-distances, plain.splits))


def test_a_vocabulary_is_learned_before_its_features_are_cached(plain, register):
    """So the first run caches too, and features of another vocabulary are not mistaken for those of this one."""

    def learn(paths, words, dim, seed, workers, on_drawing, read):
        return {"factor": np.float32([words])}

    described = []

    def describe(drawing, vocabulary):
        described.append(1)
        return vocabulary["factor"] * drawing.astype(np.float32).mean(0)

    register(DESCRIPTORS, "scaled", Descriptor(describe, learn=learn))
    settings = {"DESCRIPTOR.NAME": "scaled", "MODEL.WEIGHTS": ""}
    ink = np.stack([np.asarray(Image.open(sample.path), np.float64).mean(0) for sample in plain.samples])
    for words, calls in ((8, 1), (8, 1), (5, 2), (5, 2)):
        cfg = plain.config(**settings, **{"DESCRIPTOR.VOCABULARY.WORDS": words})
        (found,) = Pipeline(cfg, CPU).features(plain.splits)
        np.testing.assert_allclose(found.all, words * ink, rtol=1e-5)
        assert len(described) == calls * len(ink)


def test_images_that_are_no_data_set_are_embedded_as_the_configuration_asks(plain, ensemble):
    for settings in ({}, WHITE, {"TEST.TEXT_WEIGHT": 0.5}, ensemble):
        pipeline = Pipeline(plain.config(**settings, OUTPUT_DIR=str(plain.folder / "free")), CPU)
        found = pipeline.embed_images(plain.splits.gallery[:5], "five images")
        expected = pipeline.features(plain.splits)[-1].gallery[:5]
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=str(settings))
        assert not (plain.folder / "free/features/five images.npy").exists()


def test_texts_are_embedded_in_the_space_of_the_images(plain, ensemble):
    texts = ["a lamp", "a chair", "a lamp"]
    found = Pipeline(plain.config(), CPU).embed_texts(texts, "three texts")
    np.testing.assert_allclose(found, plain.text_features(texts), rtol=1e-4, atol=1e-3)
    for settings, message in (
        (WHITE, "network is joined or whitened, so texts are not in the space of its images"),
        (ensemble, "a.yml is joined or whitened"),
        ({"MODEL.META_ARCHITECTURE": "Plain"}, "network reads no text; use a PatentCLIP"),
        ({"DESCRIPTOR.NAME": "pixels"}, "pixels reads no text"),
    ):
        with pytest.raises(ConfigError, match=message):
            Pipeline(plain.config(**settings), CPU).embed_texts(texts, "texts")


def test_without_labels_there_is_a_ranking_and_no_metric(plain):
    sides = ([s._replace(identity=None, caption=None) for s in side] for side in (plain.splits.query, plain.splits.gallery))
    result = Pipeline(plain.config(), CPU).evaluate(Splits("Unlabelled", [], *sides))
    scores = cosines(*split(plain, plain.image_features(plain.samples)))
    np.testing.assert_array_equal(result.evaluations[0].ranking, np.argsort(-scores, axis=1)[:, :10])
    assert result.summary == {}


def test_processes_other_than_the_first_get_nothing(plain, monkeypatch, extractions):
    """They take part in the same extractions as the first, and read and write no cache."""
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "collect", lambda rows: None)
    for settings, learned in (({}, []), (WHITE, ["Drawings-whitening"]), ({"DESCRIPTOR.NAME": "pixels"}, None)):
        extractions.clear()
        pipeline = Pipeline(plain.config(**settings), CPU)
        assert pipeline.features(plain.splits) == [], settings
        assert pipeline.evaluate(plain.splits) is None and pipeline.embed_images(plain.samples, "images") is None
        assert extractions == ([] if learned is None else ["Drawings", *learned, "Drawings", "images"])
    assert not (plain.folder / "run").exists()


def one_of_two(rank, folder):
    """Write the features of two data sets that this process returns, as JSON."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for registry, name, component in components():
        registry.all()
        registry.register(component, name=name)
    plain = PlainRun(folder)
    pipeline = Pipeline(plain.config(**WHITE), CPU)
    found = [pipeline.features(splits) for splits in (plain.splits, other_splits(plain))]
    lists = [[(of.name, of.query.tolist(), of.gallery.tolist()) for of in features] for features in found]
    (folder / f"{rank}.json").write_text(json.dumps(lists))
    dist.destroy_process_group()


def other_splits(plain):
    return Splits("Other", [], plain.splits.gallery[:3], plain.splits.query)  # an odd number of images


@pytest.mark.slow
def test_two_processes_extract_what_one_does(plain):
    """Of two data sets, whitened: whitening is learned in the first by both, and applied to the second."""
    in_two_processes(one_of_two, plain.folder)
    expected = Pipeline(plain.config(**WHITE), CPU)
    first, second = (json.loads((plain.folder / f"{rank}.json").read_text()) for rank in range(2))
    assert second == [[], []]
    for found, splits in zip(first, (plain.splits, other_splits(plain))):
        for (name, query, gallery), one in zip(found, expected.features(splits), strict=True):
            assert name == one.name
            np.testing.assert_allclose(np.array(query), one.query, rtol=1e-5, atol=1e-4)
            np.testing.assert_allclose(np.array(gallery), one.gallery, rtol=1e-5, atol=1e-4)
    assert len(first) == 2


def test_the_best_checkpoint_is_chosen_by_the_networks_own_metric_or_the_given_one(plain, register, monkeypatch):
    monkeypatch.setattr(METRICS, "_components", METRICS.all())  # a mean is registered in it
    register(METRICS, "loss", Metric(lambda metrics: metrics.first_hit.astype(float), greater_is_better=False))
    images, texts = Network(), PlainNetwork(2)
    for architecture, network, given, expected in (
        ("Plain", images, "auto", "mAP"),
        ("PlainTexts", texts, "auto", "mean-R"),
        ("PlainTexts", texts, "mAP@10", "mAP@10"),
        ("PlainTexts", texts, "I2T-R@5", "I2T-R@5"),
        ("Plain", images, "loss", "loss"),
        ("Plain", images, ("mAP", "Acc@1"), "mean of mAP, Acc@1"),
    ):
        cfg = plain.config(**{"MODEL.META_ARCHITECTURE": architecture, "TEST.BEST_METRIC": given})
        assert best_metric(cfg, network, [plain.splits]) == expected
    for network, given, name in ((images, "mean-R", "mean-R"), (images, "T2I-R@1", "T2I-R@1"), (texts, "auto", "mean-R")):
        cfg = plain.config(**{"MODEL.META_ARCHITECTURE": "Plain", "TEST.BEST_METRIC": given})
        with pytest.raises(ConfigError, match=f"TEST.BEST_METRIC: {name} is measured on texts, which Plain does not read"):
            best_metric(cfg, network, [plain.splits])

    sides = plain.splits.query, plain.splits.gallery
    bare = [Splits("Bare", [], *([sample._replace(caption=None) for sample in side] for side in sides))]
    assert best_metric(plain.config(), texts, bare) == "mAP"
    assert best_metric(plain.config(), texts, []) == "mean-R"
    with pytest.raises(ConfigError, match="TEST.BEST_METRIC: mean-R is measured on texts, and Bare has no captions"):
        best_metric(plain.config(**{"TEST.BEST_METRIC": "mean-R"}), texts, bare)


def test_images_that_cannot_be_read_are_excluded_named_and_not_cached(plain, extractions):
    broken = plain.splits.query[2], plain.splits.gallery[5]
    truth = plain.image_features(plain.samples)
    readable = np.array([sample not in broken for sample in plain.samples])
    sides = [[sample for sample in side if sample not in broken] for side in (plain.splits.query, plain.splits.gallery)]
    splits, cut = Splits("Drawings", [], *sides), len(sides[0])
    expected = mean_average_precision(cosines(truth[readable][:cut], truth[readable][cut:]), splits)
    for sample in broken:
        Path(sample.path).write_bytes(b"")
    pipeline = Pipeline(plain.config(**{"DATALOADER.MAX_BROKEN": 0.1}), CPU)
    for _ in range(2):  # what was extracted the first time is not served the second
        result = pipeline.evaluate(plain.splits, tolerant=True)
        assert result.summary["mAP"] == pytest.approx(expected) and result.summary["queries"] == cut
        assert result.unreadable == 2 and result.splits == splits and len(result.texts) == 1
        assert result.evaluations[-1].name == "network, without 2 unreadable images"
        assert result.renamed("epoch 3").evaluations[0].name == "epoch 3, without 2 unreadable images"
    assert len(extractions) == 2 and not (plain.folder / "run/features/Drawings.npy").exists()
    sides = ([sample._replace(identity=None) for sample in side] for side in (plain.splits.query, plain.splits.gallery))
    for given, tolerant in ((plain.splits, False), (Splits("Unlabelled", [], *sides), True)):
        with pytest.raises(DataError, match="the file is empty"):
            pipeline.evaluate(given, tolerant=tolerant)
    with pytest.raises(DataError, match="Few: .*the file is empty; no other query or gallery image is left"):
        pipeline.evaluate(Splits("Few", [], [broken[0]], plain.splits.gallery[:4]), tolerant=True)


def test_whitening_is_learned_on_the_training_drawings_that_can_be_read(plain):
    trained = load_training_set(plain.config())
    learned_on = plain.image_features(trained)[1:]
    Path(trained[0].path).write_bytes(b"")
    rows = Pipeline(plain.config(**WHITE), CPU).features(plain.splits)[-1]
    sides = split(plain, plain.image_features(plain.samples))
    np.testing.assert_allclose(cosines(rows.query, rows.gallery), cosines(*whitened(learned_on, sides, 4)), atol=1e-3)
