"""Pooling, an optional linear whitening layer and L2 normalisation: the head of PatentNet, for pairwise losses."""

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.heads import HEADS
from fastpatent.heads.classifying import HeadOutput
from fastpatent.heads.embedding_head import pooled_vectors
from fastpatent.layers import POOLING
from fastpatent.layers.precision import at_least_float32, without_autocast


class NormalisedHead(nn.Module):
    """L2-normalised features, without a classifier.

    The paper also L2-normalises the pooled features before the linear layer. The published network does not, and neither
    does this head, so that the published weights fit.

    Args:
        feature_dim: channels of the feature maps.
        pool_layer: module [batch, feature_dim, height, width] -> [batch, feature_dim, 1, 1] or [batch, feature_dim].
        embedding_dim: outputs of the linear layer `fc`, which has a bias; 0: no such layer.

    Attributes:
        pair_dim: dimension of the embeddings.
    """

    def __init__(self, feature_dim: int, pool_layer: nn.Module, embedding_dim: int = 0) -> None:
        super().__init__()
        self.pool_layer = pool_layer
        self.fc = nn.Linear(feature_dim, embedding_dim) if embedding_dim else None
        self.pair_dim = embedding_dim or feature_dim

    def forward(self, feature_maps: torch.Tensor, targets: torch.Tensor | None = None) -> torch.Tensor | HeadOutput:
        """Return the features in evaluation, a HeadOutput without logits in training.

        Args:
            feature_maps: float [batch, feature_dim, height, width].
            targets: ignored.

        Returns:
            float [batch, dim], L2-normalised, or HeadOutput.
        """
        features = at_least_float32(pooled_vectors(self.pool_layer, feature_maps))
        if self.fc:
            with without_autocast(features):
                features = self.fc(features)
        features = F.normalize(features)
        return HeadOutput(None, features, None) if self.training else features


@HEADS.register(name="NormalisedHead")
def build_normalised_head(cfg: CfgNode, feature_dim: int) -> NormalisedHead:
    """Return the NormalisedHead of MODEL.HEADS: POOL_LAYER and EMBEDDING_DIM."""
    settings = cfg.MODEL.HEADS
    return NormalisedHead(feature_dim, POOLING.get(settings.POOL_LAYER)(), settings.EMBEDDING_DIM)
