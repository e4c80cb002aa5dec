"""What every head that classifies has in common: class weights, logits, and how its classifier is read from a config."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.errors import ConfigError
from fastpatent.heads.sampled_classes import SampledClasses
from fastpatent.layers import CLASSIFIERS
from fastpatent.layers.margin import ArcSoftmax
from fastpatent.layers.precision import at_least_float32, without_autocast
from fastpatent.layers.sub_centers import SubCenters


class HeadOutput(NamedTuple):
    """What a head gives in training.

    Attributes:
        logits: float32 [batch, classes]; None of a head that has no classifier.
        embeddings: float [batch, dim], for pairwise losses.
        columns: int64 [batch], the column of `logits` that is each drawing's class: its target, but where classes are
            sampled; None beside no logits.
    """

    logits: torch.Tensor | None
    embeddings: torch.Tensor
    columns: torch.Tensor | None


class ClassifyingHead(nn.Module):
    """Base of heads: holds the class weights `weight`, float [classes * sub-centres, dim], and turns features into logits.

    Args:
        classifier: module of `fastpatent.layers.margin`, or SubCenters around one.
        dim: of the features that are classified.
        sampled_classes: how many classes a training step compares with, see `SampledClasses`; 0: all.

    Attributes:
        pair_dim: columns of the `embeddings` that the head gives; `dim` unless a head says otherwise.
    """

    def __init__(self, classifier, dim, sampled_classes=0):
        super().__init__()
        self.pair_dim = dim
        self.cls_layer = classifier
        weight = torch.empty(classifier.num_weights, dim).normal_(std=0.01)
        self.sampled = None
        if sampled_classes:
            self.sampled = SampledClasses(self, weight, classifier.num_classes, sampled_classes)
            weight = self.sampled.rows()
        self.weight = nn.Parameter(weight)

    def classify(self, features, targets, embeddings):
        """Return the HeadOutput of features [batch, dim] and their targets int64 [batch]; `embeddings` are handed on."""
        columns = self.sampled.columns(targets) if self.sampled else targets
        # A logit is a cosine times up to 64: bfloat16's two digits would be lost in it.
        with without_autocast(features):
            features, weight = at_least_float32(features), at_least_float32(self.weight)
            if self.cls_layer.reads_cosine:
                features, weight = F.normalize(features), F.normalize(weight)
            return HeadOutput(self.cls_layer(F.linear(features, weight), columns), embeddings, columns)


def build_classifier(cfg):
    """Return the classifier of MODEL.HEADS: CLS_LAYER, NUM_CLASSES, SCALE, MARGIN, EASY_MARGIN and SUB_CENTERS.

    Raises:
        ConfigError: no such classifier, or one that has no easy margin or no sub-centres.
    """
    settings = cfg.MODEL.HEADS
    kind = CLASSIFIERS.get(settings.CLS_LAYER)
    options = {}
    if settings.EASY_MARGIN:
        if kind is not ArcSoftmax:
            raise ConfigError(f"MODEL.HEADS.EASY_MARGIN: only ArcSoftmax has one, CLS_LAYER is {settings.CLS_LAYER}")
        options["easy_margin"] = True
    classifier = kind(settings.NUM_CLASSES, settings.SCALE, settings.MARGIN, **options)
    if settings.SUB_CENTERS == 1:
        return classifier
    if not kind.reads_cosine:
        raise ConfigError(f"MODEL.HEADS.SUB_CENTERS: {settings.CLS_LAYER} compares no cosines; choose ArcSoftmax or another")
    return SubCenters(classifier, settings.SUB_CENTERS)
