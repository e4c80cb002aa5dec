"""Fisher vectors of SIFT features (Perronnin, Sánchez and Mensink, ECCV 2010), by OpenCV, scikit-learn and scikit-image."""

from contextlib import closing
from functools import partial

import numpy as np
from PIL import Image

from fastpatent.data.image import read_drawing
from fastpatent.data.workers import map_in_order
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import ConfigError, DataError

LONGEST = 512  # px of the longer side, to which larger drawings are reduced
KEYPOINTS = 1000  # the strongest, a drawing
SIFT_DIM = 128
LEARNED = 100_000  # features that a vocabulary is learned on, at most; each drawing gives equally many
KEY = "DESCRIPTOR.VOCABULARY"


def sift_fisher(drawing, vocabulary):
    """Describe how a drawing's SIFT features differ from the usual ones: float32 [words * (1 + 2 * dim)], length 1.

    The gradient of the mixture's log likelihood by its weights, means and variances, a mean over features; then the square
    root of each number with its sign, then length 1.

    Args:
        drawing: uint8 [height, width].
        vocabulary: as `learn_vocabulary` returns it.

    Returns:
        all 0 for a drawing without a keypoint.
    """
    from skimage.feature import fisher_vector

    words, dim = vocabulary["means"].shape
    features = root_sift(drawing)
    if not len(features):
        return np.zeros(words * (1 + 2 * dim), np.float32)
    reduced = (features - vocabulary["centre"]) @ vocabulary["axes"].T
    return fisher_vector(reduced.astype(np.float64), as_mixture(vocabulary), improved=True).astype(np.float32)


def learn_vocabulary(paths, words, dim, seed, workers=0, on_drawing=None):
    """Fit the axes of the largest variance, and along these a mixture of Gaussians, to features of the drawings.

    The same for the same drawings and seed, whatever the workers.

    Args:
        paths: drawings to learn from.
        words: Gaussians.
        dim: dimensions kept of the 128 of a feature.
        seed: chooses the features of a drawing, and where the Gaussians start.
        workers: processes that read; 0 reads in this one.
        on_drawing: called with the number of drawings read.

    Returns:
        dict of float32: "centre" [128], "axes" [dim, 128], "weights" [words], "means" and "variances" [words, dim].

    Raises:
        ConfigError: more dimensions than a feature has.
        DataError: the drawings have fewer features than there are words or dimensions.
    """
    from skimage.feature import learn_gmm
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    if dim > SIFT_DIM:
        raise ConfigError(f"{KEY}.DIM is {dim}, but a SIFT feature has {SIFT_DIM} dimensions")
    features = _features_of(paths, seed, workers, on_drawing)
    for name, needed in (("WORDS", words), ("DIM", dim)):
        if len(features) < needed:
            raise DataError(
                f"{KEY}.{name} is {needed}, but {len(paths)} training drawings have only {len(features)} SIFT features; "
                f"make it smaller or raise {KEY}.DRAWINGS"
            )
    with threadpool_limits(1):  # several threads add up in an order of chance
        axes = PCA(dim, svd_solver="covariance_eigh").fit(features)
        settings = {"covariance_type": "diag", "random_state": seed}
        mixture = learn_gmm(axes.transform(features).astype(np.float64), n_modes=words, gm_args=settings)
    found = {
        "centre": axes.mean_,
        "axes": axes.components_,
        "weights": mixture.weights_,
        "means": mixture.means_,
        "variances": mixture.covariances_,
    }
    return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}


def root_sift(drawing):
    """Return the SIFT features of the strongest keypoints as RootSIFT (Arandjelovic and Zisserman, CVPR 2012).

    Args:
        drawing: uint8 [height, width]; reduced to 512 px where its longer side has more.

    Returns:
        float32 [keypoints, 128], rows of length 1.
    """
    import cv2

    scale = LONGEST / max(drawing.shape)
    if scale < 1:
        small = [max(round(side * scale), 1) for side in reversed(drawing.shape)]
        drawing = np.asarray(Image.fromarray(drawing).resize(small, Image.Resampling.BOX))
    _, features = cv2.SIFT_create(KEYPOINTS).detectAndCompute(drawing, None)
    if features is None:
        return np.zeros((0, SIFT_DIM), np.float32)
    return np.sqrt(features / np.maximum(features.sum(axis=1, keepdims=True), 1))


def as_mixture(vocabulary):
    """Return the vocabulary as scikit-learn's GaussianMixture, which scikit-image asks for."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(len(vocabulary["weights"]), covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = (
        vocabulary[name].astype(np.float64) for name in ("weights", "means", "variances")
    )
    mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
    return mixture


def _features_of(paths, seed, workers, on_drawing):
    """Return features of the drawings, float32 [features, 128], chosen by the seed and each drawing's place."""
    work = partial(_some_features, seed, max(LEARNED // max(len(paths), 1), 1))
    chosen = [np.zeros((0, SIFT_DIM), np.float32)]
    with closing(map_in_order(work, list(enumerate(paths)), workers)) as described:
        for features in described:
            chosen.append(features)
            if on_drawing:
                on_drawing(len(chosen) - 1)
    return np.concatenate(chosen)


def _some_features(seed, most, numbered):
    number, path = numbered
    features = root_sift(read_drawing(path))
    return np.random.default_rng([seed, number]).permutation(features)[:most]


DESCRIPTORS.register(Descriptor(sift_fisher, learn=learn_vocabulary), name="sift_fisher")
