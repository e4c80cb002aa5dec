"""Fixtures of the retrieval tests: features and ground truth."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ranking(reference_folder):
    """Reference ranking of 90 queries over 400 gallery rows, computed by other implementations."""
    with np.load(reference_folder / "dira_ranking.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def rng():
    """A seeded random generator."""
    return np.random.default_rng(7)


def formula(query, gallery, metric):
    """Return float64 [queries, gallery] by the formulas: cosine (0 for zero rows) or negative distance."""
    query, gallery = query.astype(np.float64), gallery.astype(np.float64)
    if metric != "cosine":
        distances = np.sqrt(((query[:, None] - gallery) ** 2).sum(axis=-1))
        lengths = np.add.outer(np.linalg.norm(query, axis=1), np.linalg.norm(gallery, axis=1))
        return (
            -distances
            if metric == "euclidean"
            else -np.divide(distances, lengths, out=np.ones_like(lengths), where=lengths > 0)
        )
    norms = np.outer(np.linalg.norm(query, axis=1), np.linalg.norm(gallery, axis=1))
    return np.divide(query @ gallery.T, norms, out=np.zeros_like(norms), where=norms > 0)


@pytest.fixture
def float64_scores():
    """The function (query, gallery, metric) -> float64 [queries, gallery] of cosines or negative distances."""
    return formula


@pytest.fixture
def clustered(rng):
    """A function that makes (query, gallery, query identities, gallery identities) of random clusters, one per identity."""

    def make(queries, gallery, dim, identities, spread=1.0):
        centres = rng.standard_normal((identities, dim))
        query_labels, gallery_labels = (rng.integers(0, identities, count) for count in (queries, gallery))
        rows = [
            (centres[labels] + spread * rng.standard_normal((len(labels), dim))).astype(np.float32)
            for labels in (query_labels, gallery_labels)
        ]
        return *rows, [f"design{label}" for label in query_labels], [f"design{label}" for label in gallery_labels]

    return make


@pytest.fixture
def few_values(rng):
    """A function that makes float32 [rows, dim] with four entries of -1 or 1 per row: exact products and many ties."""

    def make(rows, dim):
        features = np.zeros((rows, dim), np.float32)
        for row in features:
            row[rng.choice(dim, 4, replace=False)] = rng.choice([-1, 1], 4)
        return features

    return make
