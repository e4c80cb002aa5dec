"""Pooling, a projection between two batch norms, and a margin classifier: the neck of Higuchi & Yanai's SwinV2."""

from torch import nn

from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import build_classifier
from fastpatent.heads.embedding_head import EmbeddingHead
from fastpatent.layers import POOLING


class ProjectionHead(EmbeddingHead):
    """An EmbeddingHead whose neck is BN, dropout, Linear with shift, BN and PReLU; its output is the feature.

    Args:
        feature_dim, pool_layer, classifier, neck_feat, sampled_classes: see `EmbeddingHead`.
        embedding_dim: dim of the features, above 0.
        dropout: share of the pooled channels that training leaves out.
    """

    def __init__(
        self, feature_dim, pool_layer, classifier, embedding_dim, dropout=0.0, neck_feat="before", sampled_classes=0
    ):
        super().__init__(
            feature_dim, pool_layer, classifier, embedding_dim, neck_feat=neck_feat, sampled_classes=sampled_classes
        )
        # The steps have the numbers of the published head, whose step 0 pools.
        self.bottleneck = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(feature_dim),
            nn.Dropout(dropout),
            nn.Linear(feature_dim, embedding_dim),
            nn.BatchNorm1d(embedding_dim),
            nn.PReLU(),
        )


@HEADS.register(name="ProjectionHead")
def build_projection_head(cfg, feature_dim):
    """Return the ProjectionHead of MODEL.HEADS over feature maps of `feature_dim` channels.

    Raises:
        ConfigError: MODEL.HEADS.EMBEDDING_DIM is 0.
    """
    settings = cfg.MODEL.HEADS
    if not settings.EMBEDDING_DIM:
        raise ConfigError("MODEL.HEADS.EMBEDDING_DIM: ProjectionHead needs the size of its features, got 0")
    return ProjectionHead(
        feature_dim,
        POOLING.get(settings.POOL_LAYER)(),
        build_classifier(cfg),
        settings.EMBEDDING_DIM,
        dropout=settings.DROPOUT,
        neck_feat=settings.NECK_FEAT,
        sampled_classes=settings.SAMPLED_CLASSES,
    )
