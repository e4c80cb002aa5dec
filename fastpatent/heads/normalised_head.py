"""Pooling, an optional linear layer that whitens, and length 1: the features of PatentNet, for losses over pairs."""

import torch.nn.functional as F
from torch import nn

from fastpatent.heads import HEADS
from fastpatent.heads.classifying import HeadOutput
from fastpatent.heads.pooled import pooled_vectors
from fastpatent.layers import POOLING
from fastpatent.layers.precision import at_least_float32, without_autocast


class NormalisedHead(nn.Module):
    """Features of length 1; there is no classifier.

    The paper brings pooled features to length 1 before the linear layer too, the published network does not: its weights
    fit the features as they are pooled.

    Args:
        feature_dim: channels of the feature maps.
        pool_layer: module [batch, feature_dim, height, width] -> [batch, feature_dim, 1, 1] or [batch, feature_dim].
        embedding_dim: outputs of the linear layer `fc`, which has a shift; 0: there is no such layer.

    Attributes:
        pair_dim: columns of the embeddings.
    """

    def __init__(self, feature_dim, pool_layer, embedding_dim=0):
        super().__init__()
        self.pool_layer = pool_layer
        self.fc = nn.Linear(feature_dim, embedding_dim) if embedding_dim else None
        self.pair_dim = embedding_dim or feature_dim

    def forward(self, feature_maps, targets=None):
        """Return the features in evaluation, a HeadOutput without logits in training.

        Args:
            feature_maps: float [batch, feature_dim, height, width].
            targets: not read.

        Returns:
            float [batch, dim] of length 1, or HeadOutput.
        """
        features = at_least_float32(pooled_vectors(self.pool_layer, feature_maps))
        if self.fc:
            with without_autocast(features):
                features = self.fc(features)
        features = F.normalize(features)
        return HeadOutput(None, features, None) if self.training else features


@HEADS.register(name="NormalisedHead")
def build_normalised_head(cfg, feature_dim):
    """Return the NormalisedHead of MODEL.HEADS: POOL_LAYER and EMBEDDING_DIM."""
    settings = cfg.MODEL.HEADS
    return NormalisedHead(feature_dim, POOLING.get(settings.POOL_LAYER)(), settings.EMBEDDING_DIM)
