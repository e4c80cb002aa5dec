"""Fisher vectors of SIFT features (Perronnin, Sánchez and Mensink, ECCV 2010), by OpenCV, scikit-learn and scikit-image."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fastpatent.data.image import read_drawing
from fastpatent.data.workers import map_in_order
from fastpatent.descriptors import DESCRIPTORS, Descriptor
from fastpatent.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

LONGEST = 512  # pixels of the longer side; larger drawings are shrunk to it
KEYPOINTS = 1000  # strongest keypoints per drawing
SIFT_DIM = 128
LARGEST = 2**17  # words times dimensions: for each keypoint as many float64 are computed, 1 GiB together
LEAST_VARIANCE = 9e-7  # scikit-learn adds 1e-6 to every variance
GREATEST = 1e6  # of any value; those of vocabularies are below 10
LEARNED = 100_000  # most features to fit a vocabulary on; the same limit for each drawing
KEY = "DESCRIPTOR.VOCABULARY"


def sift_fisher(drawing: np.ndarray, vocabulary: dict[str, np.ndarray]) -> np.ndarray:
    """Improved Fisher vector of a drawing's SIFT features.

    Gradient of the mixture's log likelihood with respect to weights, means and variances, averaged over features; then
    signed square root and L2 normalisation.

    Args:
        drawing: uint8 [height, width].
        vocabulary: as `learn_vocabulary` returns it.

    Returns:
        float32 [words * (1 + 2 * dim)], norm 1; all 0 for a drawing without a keypoint.
    """
    from skimage.feature import fisher_vector

    words, dim = vocabulary["means"].shape
    features = root_sift(drawing)
    if not len(features):
        return np.zeros(words * (1 + 2 * dim), np.float32)
    reduced = (features - vocabulary["centre"]) @ vocabulary["axes"].T
    return fisher_vector(reduced.astype(np.float64), as_mixture(vocabulary), improved=True).astype(np.float32)


def learn_vocabulary(
    paths: Sequence[str],
    words: int,
    dim: int,
    seed: int,
    workers: int = 0,
    on_drawing: Callable[[int], None] | None = None,
    read: Callable[[str], np.ndarray] = read_drawing,
) -> dict[str, np.ndarray]:
    """Fit a PCA, and in its space a mixture of Gaussians, to SIFT features of the drawings.

    The result depends on drawings and seed only, not on the number of workers.

    Args:
        paths: training drawings.
        words: number of Gaussians.
        dim: PCA dimensions, of the 128 of a SIFT feature.
        seed: of the sample of each drawing's features, and of the mixture's initialisation.
        workers: worker processes that read; 0 reads in this process.
        on_drawing: called with the number of drawings read.
        read: picklable function of a path -> uint8 [height, width].

    Returns:
        dict of float32: "centre" [128], "axes" [dim, 128], "weights" [words], "means" and "variances" [words, dim].

    Raises:
        ConfigError: `dim` is above 128, or `words` times `dim` above LARGEST.
        DataError: fewer features than words or dimensions.
    """
    from skimage.feature import learn_gmm
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    if dim > SIFT_DIM:
        raise ConfigError(f"{KEY}.DIM is {dim}, but a SIFT feature has {SIFT_DIM} dimensions")
    if words * dim > LARGEST:
        raise ConfigError(f"{KEY}.WORDS times {KEY}.DIM is {words * dim:,}, at most {LARGEST:,} fit in memory")
    features = _features_of(paths, seed, workers, on_drawing, read)
    for name, needed in (("WORDS", words), ("DIM", dim)):
        if len(features) < needed:
            raise DataError(
                f"{KEY}.{name} is {needed}, but {len(paths)} training drawings have only {len(features)} SIFT features; "
                f"make it smaller or raise {KEY}.DRAWINGS"
            )
    with threadpool_limits(1):  # with several threads the order of summation varies
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


def is_vocabulary(found: dict[str, np.ndarray]) -> bool:
    """Return whether arrays by name have the types, shapes and ranges of what `learn_vocabulary` returns."""
    if found.keys() != {"centre", "axes", "weights", "means", "variances"} or found["means"].ndim != 2:
        return False
    words, dim = found["means"].shape
    shapes = {
        "centre": (SIFT_DIM,),
        "axes": (dim, SIFT_DIM),
        "weights": (words,),
        "means": (words, dim),
        "variances": (words, dim),
    }
    return (
        min(words, dim) > 0
        and dim <= SIFT_DIM
        and words * dim <= LARGEST
        and all(values.dtype == np.float32 and values.shape == shapes[name] for name, values in found.items())
        and all((np.abs(values) <= GREATEST).all() for values in found.values())  # NaN is not
        and found["variances"].min() >= LEAST_VARIANCE
        and found["weights"].min() > 0
        and abs(found["weights"].sum(dtype=np.float64) - 1) < 1e-3
    )


def root_sift(drawing: np.ndarray) -> np.ndarray:
    """Return the SIFT features of the strongest keypoints as RootSIFT (Arandjelovic and Zisserman, CVPR 2012).

    Args:
        drawing: uint8 [height, width]; shrunk to 512 pixels on the longer side if larger.

    Returns:
        float32 [keypoints, 128], rows of norm 1.
    """
    import cv2

    scale = LONGEST / max(drawing.shape)
    if scale < 1:
        small = [max(round(side * scale), 1) for side in reversed(drawing.shape)]
        drawing = np.asarray(Image.fromarray(drawing).resize(small, Image.Resampling.BOX))
    _, features = cv2.SIFT.create(KEYPOINTS).detectAndCompute(drawing, None)
    if features is None:
        return np.zeros((0, SIFT_DIM), np.float32)
    return np.sqrt(features / np.maximum(features.sum(axis=1, keepdims=True), 1))


def as_mixture(vocabulary: dict[str, np.ndarray]) -> "GaussianMixture":
    """Return the vocabulary as scikit-learn's GaussianMixture, which scikit-image needs."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(len(vocabulary["weights"]), covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = (
        vocabulary[name].astype(np.float64) for name in ("weights", "means", "variances")
    )
    mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
    return mixture


def _features_of(
    paths: Sequence[str],
    seed: int,
    workers: int,
    on_drawing: Callable[[int], None] | None,
    read: Callable[[str], np.ndarray],
) -> np.ndarray:
    """Return a sample of the drawings' features, float32 [features, 128], set by the seed and each drawing's index."""
    work = partial(_some_features, seed, max(LEARNED // max(len(paths), 1), 1), read)
    chosen = [np.zeros((0, SIFT_DIM), np.float32)]
    with closing(map_in_order(work, list(enumerate(paths)), workers)) as described:
        for features in described:
            chosen.append(features)
            if on_drawing:
                on_drawing(len(chosen) - 1)
    return np.concatenate(chosen)


def _some_features(seed: int, most: int, read: Callable[[str], np.ndarray], numbered: tuple[int, str]) -> np.ndarray:
    number, path = numbered
    features = root_sift(read(path))
    return np.random.default_rng([seed, number]).permutation(features)[:most]


DESCRIPTORS.register(Descriptor(sift_fisher, learn=learn_vocabulary, accepts=is_vocabulary), name="sift_fisher")
