"""Linear probe: one linear layer on the features of a frozen network, to measure how well they separate classes."""

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.evaluation.classification import TOP, Classification, Labelled, check_apart, measure
from fastpatent.retrieval.distance import as_pair


def linear_probe(
    train: Labelled,
    test: Labelled,
    epochs: int = 5,
    lr: float = 1e-4,
    batch: int = 32,
    resamples: int = 1000,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Classification:
    """Train a linear layer with cross entropy and Adam, and classify the test drawings; defaults as for IMPACT.

    The layer is initialised to zero: the loss is convex, so the initialisation does not change the optimum, but a random one
    would still dominate after five short epochs.

    Args:
        train, test: drawings of different patents; the features are not normalised.
        epochs, lr, batch: passes over the training drawings, Adam's learning rate, batch size.
        resamples: of the intervals, see `bootstrap_intervals`.
        seed: of the order of drawings and of the intervals.
        device: where to train; the features are copied to it.

    Returns:
        Classification.

    Raises:
        DataError: empty training or test set, a patent in both sets, or incompatible features.
    """
    check_apart(train, test)
    test_features, train_features = as_pair(test.features, train.features, "cosine")
    known, labels = np.unique(train.labels, return_inverse=True)
    features, labels = torch.from_numpy(train_features).to(device), torch.from_numpy(labels).to(device)
    layer = torch.nn.Linear(features.shape[1], len(known), device=device)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.Adam(layer.parameters(), lr)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(features), generator=generator).to(device).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(layer(features[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        parts = torch.from_numpy(test_features).split(1024)
        ranked = torch.cat([layer(rows.to(device)).topk(min(TOP, len(known))).indices.cpu() for rows in parts])
    return measure(known.tolist(), ranked.numpy(), test, resamples, seed)
