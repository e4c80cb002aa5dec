"""Pooling, batch-norm neck and margin classifier (Luo et al., "Bag of tricks", CVPRW 2019, figure 2)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.errors import ConfigError, nearest
from fastpatent.heads import HEADS
from fastpatent.layers import CLASSIFIERS, POOLING
from fastpatent.layers.norm import build_norm
from fastpatent.layers.precision import at_least_float32, without_autocast

NECK_FEATURES = ("before", "after")


class HeadOutput(NamedTuple):
    """What a head gives in training: logits float32 [batch, classes] and embeddings [batch, dim] for pairwise losses."""

    logits: torch.Tensor
    embeddings: torch.Tensor


class EmbeddingHead(nn.Module):
    """Pool a feature map, pass the neck, classify.

    The neck `bottleneck` is an optional 1x1 convolution to `embedding_dim` channels and an optional norm whose shift is
    frozen at 0, so that the classes spread around the origin. The feature of a drawing is the neck's output as it is,
    without normalisation to length 1.

    Args:
        feature_dim: channels of the feature maps.
        pool_layer: module [batch, feature_dim, height, width] -> [batch, feature_dim, 1, 1] or [batch, feature_dim].
        classifier: module of `fastpatent.layers.margin`; its weights are this head's `weight` [classes, dim].
        embedding_dim: dim of the features; 0 keeps feature_dim.
        with_bnneck: the norm is there.
        norm: its name.
        neck_feat: what pairwise losses see, "before" (pooled) or "after" (the neck). It has no say in evaluation.

    Raises:
        ConfigError: no such `neck_feat` or `norm`; in `forward`, a pooling that leaves more than one position.
    """

    def __init__(
        self, feature_dim, pool_layer, classifier, embedding_dim=0, with_bnneck=False, norm="BN", neck_feat="before"
    ):
        super().__init__()
        if neck_feat not in NECK_FEATURES:
            raise ConfigError(f"MODEL.HEADS.NECK_FEAT: no choice {neck_feat!r}{nearest(neck_feat, NECK_FEATURES)}")
        dim = embedding_dim or feature_dim
        self.neck_feat = neck_feat
        self.pool_layer = pool_layer
        neck = []
        if embedding_dim:
            neck.append(nn.Conv2d(feature_dim, embedding_dim, 1, bias=False))
            nn.init.kaiming_normal_(neck[0].weight, mode="fan_out")
        if with_bnneck:
            neck.append(build_norm(norm, dim, "MODEL.HEADS.NORM"))
            neck[-1].bias.requires_grad_(False)
        self.bottleneck = nn.Sequential(*neck)
        self.weight = nn.Parameter(torch.empty(classifier.num_classes, dim).normal_(std=0.01))
        self.cls_layer = classifier

    def forward(self, feature_maps, targets=None):
        """Return the features in evaluation, a HeadOutput in training.

        Args:
            feature_maps: float [batch, feature_dim, height, width].
            targets: int64 [batch], the class of each drawing; needed in training only.

        Returns:
            float [batch, dim], or HeadOutput.
        """
        pooled = self.pool_layer(feature_maps)
        if pooled[0].numel() != feature_maps.shape[1]:
            shape = " x ".join(map(str, pooled.shape[1:]))
            raise ConfigError(f"MODEL.HEADS.POOL_LAYER: the pooling leaves {shape} values where one a channel is needed")
        pooled = pooled.reshape(*feature_maps.shape[:2], 1, 1)
        features = self.bottleneck(pooled).flatten(1)
        if not self.training:
            return features
        embeddings = pooled.flatten(1) if self.neck_feat == "before" else features
        return HeadOutput(self.cls_layer(self._products(features), targets), embeddings)

    def _products(self, features):
        # A logit is a cosine times up to 64: bfloat16's two digits would be lost in it.
        with without_autocast(features):
            features, weight = at_least_float32(features), at_least_float32(self.weight)
            if self.cls_layer.reads_cosine:
                return F.linear(F.normalize(features), F.normalize(weight))
            return F.linear(features, weight)


@HEADS.register(name="EmbeddingHead")
def build_embedding_head(cfg, feature_dim):
    """Return the EmbeddingHead of MODEL.HEADS over feature maps of `feature_dim` channels."""
    settings = cfg.MODEL.HEADS
    classifier = CLASSIFIERS.get(settings.CLS_LAYER)(settings.NUM_CLASSES, settings.SCALE, settings.MARGIN)
    return EmbeddingHead(
        feature_dim,
        POOLING.get(settings.POOL_LAYER)(),
        classifier,
        embedding_dim=settings.EMBEDDING_DIM,
        with_bnneck=settings.WITH_BNNECK,
        norm=settings.NORM,
        neck_feat=settings.NECK_FEAT,
    )
