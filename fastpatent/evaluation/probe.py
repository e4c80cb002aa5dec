"""Linear probe: one linear layer on features of a frozen network, which says how much of the classes lies in them."""

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.evaluation.classification import TOP, check_apart, measure
from fastpatent.retrieval.distance import as_pair


def linear_probe(train, test, epochs=5, lr=1e-4, batch=32, resamples=1000, seed=0, device="cpu"):
    """Train a linear layer with cross entropy and Adam, and classify other drawings by it; defaults as for IMPACT.

    The layer starts at zero: the loss is convex, so no start is better at the end, and a start by chance would be most of
    what is left after five short epochs.

    Args:
        train, test: Labelled, of different patents; the features are taken as they are, any norm.
        epochs, lr, batch: passes over the training drawings, Adam's rate, drawings a step.
        resamples: of intervals, see `bootstrap_intervals`.
        seed: of the order of drawings and of the intervals.
        device: where to train, and where the features are copied to.

    Returns:
        Classification.

    Raises:
        DataError: nothing to train or test on, a patent on both sides, or features that do not go together.
    """
    check_apart(train, test)
    test_features, train_features = as_pair(test.features, train.features, "cosine")
    known, labels = np.unique(train.labels, return_inverse=True)
    features, labels = torch.from_numpy(train_features).to(device), torch.from_numpy(labels).to(device)
    layer = torch.nn.Linear(features.shape[1], len(known), device=device)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.Adam(layer.parameters(), lr)
    chance = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(features), generator=chance).to(device).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(layer(features[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.inference_mode():
        parts = torch.from_numpy(test_features).split(1024)
        ranked = torch.cat([layer(rows.to(device)).topk(min(TOP, len(known))).indices.cpu() for rows in parts])
    return measure(known.tolist(), ranked.numpy(), test, resamples, seed)
