"""Fisher vectors of SIFT against their formula in scalars, and the vocabulary against its definition."""

import math
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from fastpatent.data.image import read_drawing
from fastpatent.descriptors import sift_fisher as module
from fastpatent.descriptors.sift_fisher import learn_vocabulary, root_sift, sift_fisher
from fastpatent.errors import ConfigError, DataError

WORDS, DIM = 3, 6
BLANK = np.full((90, 120), 255, np.uint8)


def drawn(seed, size=(160, 120)):
    sheet = Image.new("L", size, 255)
    for corners in np.random.default_rng(seed).integers(0, min(size), (12, 4)).tolist():
        ImageDraw.Draw(sheet).line(corners, fill=0, width=2)
    return np.asarray(sheet)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawings")
    for seed in range(18):
        Image.fromarray(drawn(seed)).save(folder / f"{seed:02d}.png")
    return sorted(map(str, folder.iterdir()))


@pytest.fixture(scope="module")
def vocabulary(paths):
    return learn_vocabulary(paths, WORDS, DIM, seed=0)


@pytest.fixture(scope="module")
def features(paths):
    return np.concatenate([root_sift(read_drawing(path)) for path in paths]).astype(np.float64)


def shares(feature, vocabulary):
    """Posterior of each Gaussian for a reduced feature, by Bayes' rule in scalars."""
    likelihoods = []
    for weight, mean, variance in zip(*(vocabulary[name].astype(float) for name in ("weights", "means", "variances"))):
        exponent = sum((x - m) ** 2 / (2 * v) for x, m, v in zip(feature, mean, variance))
        likelihoods.append(weight * math.exp(-exponent) / math.sqrt(math.prod(2 * math.pi * v for v in variance)))
    return [likelihood / sum(likelihoods) for likelihood in likelihoods]


def plain_fisher(reduced, vocabulary):
    """Perronnin et al., section 2.2; the variance part has scikit-image's sign, which changes no distance."""
    weights, means, variances = (vocabulary[name].astype(float) for name in ("weights", "means", "variances"))
    of_weights, of_means, of_variances = np.zeros(WORDS), np.zeros((WORDS, DIM)), np.zeros((WORDS, DIM))
    for feature in reduced:
        for word, share in enumerate(shares(feature, vocabulary)):
            of_weights[word] += (share - weights[word]) / math.sqrt(weights[word])
            for axis, value in enumerate(feature):
                away = (value - means[word, axis]) / math.sqrt(variances[word, axis])
                of_means[word, axis] += share * away / math.sqrt(weights[word])
                of_variances[word, axis] -= share * (away**2 - 1) / math.sqrt(2 * weights[word])
    row = np.concatenate([of_weights, of_means.ravel(), of_variances.ravel()]) / len(reduced)
    rooted = np.sign(row) * np.sqrt(np.abs(row))
    return rooted / np.linalg.norm(rooted)


def test_it_is_the_normalised_gradient_of_the_mixture(vocabulary):
    drawing = drawn(99)
    reduced = (root_sift(drawing).astype(float) - vocabulary["centre"]) @ vocabulary["axes"].T.astype(float)
    row = sift_fisher(drawing, vocabulary)
    assert row.dtype == np.float32 and len(reduced) > 20
    np.testing.assert_allclose(row, plain_fisher(reduced, vocabulary), atol=2e-4)


def test_axes_are_those_of_the_largest_variance(vocabulary, features):
    values, vectors = np.linalg.eigh(np.cov(features.T))
    np.testing.assert_allclose(vocabulary["centre"], features.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.abs(vocabulary["axes"] @ vectors[:, ::-1][:, :DIM]), np.eye(DIM), atol=1e-2)


def test_the_mixture_explains_its_training_features(vocabulary, features):
    reduced = (features - vocabulary["centre"]) @ vocabulary["axes"].T
    explained = np.array([shares(feature, vocabulary) for feature in reduced])
    np.testing.assert_allclose(explained.mean(axis=0), vocabulary["weights"], atol=0.02)
    np.testing.assert_allclose(
        explained.T @ reduced / explained.sum(axis=0)[:, None], vocabulary["means"], atol=0.02 * np.abs(reduced).max()
    )


def test_the_seed_decides_for_any_number_of_workers(paths, vocabulary):
    counted = []
    again = learn_vocabulary(paths, WORDS, DIM, seed=0, workers=2, on_drawing=counted.append)
    assert counted == list(range(1, len(paths) + 1))
    assert again.keys() == vocabulary.keys()
    for name, values in vocabulary.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(again[name], values)


def test_another_seed_takes_other_features(paths, monkeypatch):
    monkeypatch.setattr(module, "LEARNED", 5 * len(paths))
    learn = partial(learn_vocabulary, paths, WORDS, DIM)
    assert not np.array_equal(learn(seed=0)["centre"], learn(seed=1)["centre"])


def test_features_are_the_roots_of_those_of_opencv():
    drawing = drawn(7)
    _, expected = cv2.SIFT_create().detectAndCompute(drawing, None)
    found = root_sift(drawing)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found**2 * expected.sum(axis=1, keepdims=True), expected, atol=1e-3)


def test_a_large_sheet_is_reduced_first():
    drawing = drawn(8, (320, 512))
    np.testing.assert_array_equal(root_sift(drawing.repeat(3, 0).repeat(3, 1)), root_sift(drawing))


def test_a_sheet_without_keypoints_gives_zeros(vocabulary):
    for drawing in [BLANK, np.zeros((1, 1), np.uint8), np.zeros((40, 3000), np.uint8)]:
        assert sift_fisher(drawing, vocabulary).tolist() == [0.0] * (WORDS * (1 + 2 * DIM)), f"{drawing.shape}"


@pytest.mark.parametrize("words, dim, key", [(10_000, DIM, "WORDS"), (WORDS, 100, "DIM")])
def test_too_few_features_name_the_key(tmp_path, words, dim, key):
    path = tmp_path / "one.png"
    Image.fromarray(drawn(3, (60, 60))).save(path)
    with pytest.raises(DataError, match=f"DESCRIPTOR.VOCABULARY.{key} is {max(words, dim)}, but 1 training drawings"):
        learn_vocabulary([str(path)], words, dim, seed=0)


def test_no_feature_at_all_is_refused(tmp_path):
    path = tmp_path / "blank.png"
    Image.fromarray(BLANK).save(path)
    with pytest.raises(DataError, match="only 0 SIFT features"):
        learn_vocabulary([str(path)], 1, 1, seed=0)


def test_more_dimensions_than_sift_has_are_refused():
    with pytest.raises(ConfigError, match="DESCRIPTOR.VOCABULARY.DIM is 129"):
        learn_vocabulary([], WORDS, 129, seed=0)
