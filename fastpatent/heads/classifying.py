"""Base of all heads with a classifier: class weights, logits, and the classifier of a config."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.heads.sampled_classes import SampledClasses
from fastpatent.layers import CLASSIFIERS
from fastpatent.layers.margin import ArcSoftmax, Linear
from fastpatent.layers.precision import at_least_float32, without_autocast
from fastpatent.layers.sub_centers import SubCenters


class HeadOutput(NamedTuple):
    """Output of a head in training.

    Attributes:
        logits: float32 [batch, classes]; None without a classifier.
        embeddings: float [batch, dim], for pairwise losses.
        columns: int64 [batch], the column of `logits` of each sample's class: the targets, unless classes are sampled; None
            without logits.
    """

    logits: torch.Tensor | None
    embeddings: torch.Tensor
    columns: torch.Tensor | None


class ClassifyingHead(nn.Module):
    """Base of heads with class weights `weight`, float [classes * sub-centres, dim], that map features to logits.

    Args:
        classifier: module of `fastpatent.layers.margin`, or SubCenters around one.
        dim: of the classified features.
        sampled_classes: number of classes per training iteration, see `SampledClasses`; 0: all.

    Attributes:
        pair_dim: dimension of the `embeddings` of the head; `dim` by default.
    """

    sampled: SampledClasses | None

    def __init__(self, classifier: Linear | SubCenters, dim: int, sampled_classes: int = 0) -> None:
        super().__init__()
        self.pair_dim = dim
        self.cls_layer = classifier
        weight = torch.empty(classifier.num_weights, dim).normal_(std=0.01)
        self.sampled = None
        if sampled_classes:
            self.sampled = SampledClasses(self, weight, classifier.num_classes, sampled_classes)
            weight = self.sampled.rows()
        self.weight = nn.Parameter(weight)

    def classify(self, features: torch.Tensor, targets: torch.Tensor, embeddings: torch.Tensor) -> HeadOutput:
        """Return the HeadOutput of features [batch, dim] and targets int64 [batch]; `embeddings` are passed through."""
        columns = self.sampled.columns(targets) if self.sampled else targets
        # A logit is a cosine times up to 64: the two digits of bfloat16 are not enough.
        with without_autocast(features):
            features, weight = at_least_float32(features), at_least_float32(self.weight)
            if self.cls_layer.reads_cosine:
                features, weight = F.normalize(features), F.normalize(weight)
            return HeadOutput(self.cls_layer(F.linear(features, weight), columns), embeddings, columns)


def build_classifier(cfg: CfgNode) -> Linear | SubCenters:
    """Return the classifier of MODEL.HEADS: CLS_LAYER, NUM_CLASSES, SCALE, MARGIN, EASY_MARGIN and SUB_CENTERS.

    Raises:
        ConfigError: unknown classifier, or one without easy margin, sub-centres or imprinting.
    """
    settings = cfg.MODEL.HEADS
    if settings.IMPRINT and (settings.SAMPLED_CLASSES or settings.SUB_CENTERS > 1):
        raise ConfigError("MODEL.HEADS.IMPRINT: needs one class weight an identity, without SAMPLED_CLASSES or SUB_CENTERS")
    kind = CLASSIFIERS.get(settings.CLS_LAYER)
    options = {}
    if settings.EASY_MARGIN:
        if kind is not ArcSoftmax:
            raise ConfigError(f"MODEL.HEADS.EASY_MARGIN: only ArcSoftmax supports it, CLS_LAYER is {settings.CLS_LAYER}")
        options["easy_margin"] = True
    classifier: Linear = kind(settings.NUM_CLASSES, settings.SCALE, settings.MARGIN, **options)
    if settings.SUB_CENTERS == 1:
        return classifier
    if not classifier.reads_cosine:
        raise ConfigError(f"MODEL.HEADS.SUB_CENTERS: {settings.CLS_LAYER} uses no cosines; choose ArcSoftmax or another")
    return SubCenters(classifier, settings.SUB_CENTERS)
