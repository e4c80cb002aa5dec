"""Reference implementations of the losses: loops over samples and pairs in float64, with autograd.

Each takes embeddings (or logits) [batch, dim] and labels [batch]; those over pairs also `past`.
"""

import torch
import torch.nn.functional as F


def zero(rows):
    return rows.sum() * 0


def mean(values, rows):
    return sum(values, zero(rows)) / max(len(values), 1)


def cosine(one, other):
    return (one * other).sum() / (one.square().sum().sqrt() * other.square().sum().sqrt())


def euclidean(one, other):
    return (one - other).square().sum().sqrt()


def squared_of_units(one, other):
    return (one / one.square().sum().sqrt() - other / other.square().sum().sqrt()).square().sum()


def neighbours(rows, labels, past=None):
    """Yield (anchor, its positives, its negatives) for every sample: lists of rows, without the sample itself."""
    columns = list(zip(rows, labels.tolist(), strict=True))
    if past is not None:
        columns += [(row, label) for row, label in zip(past.embeddings, past.labels.tolist(), strict=True) if label >= 0]
    for place, (anchor, label) in enumerate(columns[: len(rows)]):
        others = columns[:place] + columns[place + 1 :]
        yield anchor, [row for row, found in others if found == label], [row for row, found in others if found != label]


def softplus_of_product(pull, push):
    """log(1 + sum exp(pull) * sum exp(push)), None if either sum is empty."""
    if not pull or not push:
        return None
    return F.softplus(torch.stack(pull).logsumexp(0) + torch.stack(push).logsumexp(0))


def circle(rows, labels, margin, gamma, past=None):
    losses = []
    for anchor, positives, negatives in neighbours(rows, labels, past):
        near, far = ([cosine(anchor, row) for row in side] for side in (positives, negatives))
        pull = [-gamma * (1 + margin - s.detach()).clamp(min=0) * (s - (1 - margin)) for s in near]
        push = [gamma * (s.detach() + margin).clamp(min=0) * (s - margin) for s in far]
        losses.append(softplus_of_product(pull, push))
    return sum((loss for loss in losses if loss is not None), zero(rows)) / len(losses)


def cosface(rows, labels, margin, gamma, past=None):
    losses = []
    for anchor, positives, negatives in neighbours(rows, labels, past):
        near, far = ([cosine(anchor, row) for row in side] for side in (positives, negatives))
        losses.append(softplus_of_product([-gamma * s for s in near], [gamma * (s + margin) for s in far]))
    return sum((loss for loss in losses if loss is not None), zero(rows)) / len(losses)


def average(distances, sign):
    """Mean of the distances, each weighted by exp(sign * distance)."""
    weights = torch.stack([sign * distance for distance in distances]).softmax(0)
    return sum(weight * distance for weight, distance in zip(weights, distances, strict=True))


def one_triplet(near, far, margin, hard_mining):
    positive, negative = (max(near), min(far)) if hard_mining else (average(near, 1), average(far, -1))
    difference = positive - negative
    return (margin + difference).clamp(min=0) if margin > 0 else F.softplus(difference)


def triplet(rows, labels, margin, hard_mining, normalize, past=None):
    measure, losses = squared_of_units if normalize else euclidean, []
    for anchor, positives, negatives in neighbours(rows, labels, past):
        if positives and negatives:
            near, far = ([measure(anchor, row) for row in side] for side in (positives, negatives))
            near += [] if hard_mining else [zero(rows)]  # the sample itself
            losses.append(one_triplet(near, far, margin, hard_mining))
    return mean(losses, rows)


def cross_domain_triplet(rows, labels, domains, margin, hard_mining, normalize):
    measure, losses = squared_of_units if normalize else euclidean, []
    images = list(zip(rows, labels.tolist(), domains.tolist(), strict=True))
    photographs = [(row, label) for row, label, domain in images if domain == 1]
    for anchor, label, domain in images:
        near = [measure(anchor, row) for row, found in photographs if found == label]
        far = [measure(anchor, row) for row, found in photographs if found != label]
        if domain == 0 and near and far:
            losses.append(one_triplet(near, far, margin, hard_mining))
    return mean(losses, rows)


def mined_triplet(rows, labels, negatives, margin):
    losses = []
    for query, positive, *others in (list(part) for part in rows.split(2 + negatives)):
        for negative in others:
            difference = (query - positive).square().sum() - (query - negative).square().sum()
            losses.append(0.5 * (margin + difference).clamp(min=0))
    return mean(losses, rows)


def mined_contrastive(rows, labels, negatives, margin):
    losses = []
    for query, positive, *others in (list(part) for part in rows.split(2 + negatives)):
        losses.append(0.5 * euclidean(query, positive) ** 2)
        losses += [0.5 * (margin - euclidean(query, negative)).clamp(min=0) ** 2 for negative in others]
    return mean(losses, rows)


def probabilities(row):
    powers = [torch.exp(value - max(row).detach()) for value in row]
    return [power / sum(powers) for power in powers]


def cross_entropy(rows, labels, epsilon, alpha):
    losses = []
    for row, label in zip(rows, labels.tolist(), strict=True):
        found = probabilities(row)
        smoothing = epsilon if epsilon >= 0 else alpha * found[label].detach()
        targets = [1 - smoothing if column == label else smoothing / (len(row) - 1) for column in range(len(row))]
        losses.append(-sum(target * value.log() for target, value in zip(targets, found, strict=True)))
    return mean(losses, rows)


def focal(rows, labels, alpha, gamma, of_mean):
    right = [probabilities(row)[label] for row, label in zip(rows, labels.tolist(), strict=True)]
    if of_mean:
        entropy = mean([-p.log() for p in right], rows)
        return alpha * (1 - torch.exp(-entropy)) ** gamma * entropy
    return mean([-alpha * (1 - p) ** gamma * p.log() for p in right], rows)
