"""Pooling, a projection between two batch norms, and a margin classifier: the neck of Higuchi & Yanai's SwinV2."""

from torch import nn
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import build_classifier
from fastpatent.heads.embedding_head import EmbeddingHead
from fastpatent.layers import POOLING
from fastpatent.layers.margin import Linear
from fastpatent.layers.sub_centers import SubCenters


class ProjectionHead(EmbeddingHead):
    """An EmbeddingHead whose neck is BN, dropout, Linear with bias, BN and PReLU; its output is the feature.

    Args:
        feature_dim, pool_layer, classifier, neck_feat, sampled_classes, test_feat: see `EmbeddingHead`; the norm of the neck
            is the second one.
        embedding_dim: dim of the features, above 0.
        dropout: probability of dropping a pooled channel in training.
    """

    def __init__(
        self,
        feature_dim: int,
        pool_layer: nn.Module,
        classifier: Linear | SubCenters,
        embedding_dim: int,
        dropout: float = 0.0,
        neck_feat: str = "before",
        sampled_classes: int = 0,
        test_feat: str = "after",
    ) -> None:
        super().__init__(
            feature_dim,
            pool_layer,
            classifier,
            embedding_dim,
            neck_feat=neck_feat,
            sampled_classes=sampled_classes,
            test_feat=test_feat,
        )
        # Module indices match the published head, whose module 0 is the pooling.
        self.bottleneck = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(feature_dim),
            nn.Dropout(dropout),
            nn.Linear(feature_dim, embedding_dim),
            nn.BatchNorm1d(embedding_dim),
            nn.PReLU(),
        )
        self.before_norm = 4  # the feature has its dimension by then


@HEADS.register(name="ProjectionHead")
def build_projection_head(cfg: CfgNode, feature_dim: int) -> ProjectionHead:
    """Return the ProjectionHead of MODEL.HEADS over feature maps of `feature_dim` channels.

    Raises:
        ConfigError: MODEL.HEADS.EMBEDDING_DIM is 0.
    """
    settings = cfg.MODEL.HEADS
    if not settings.EMBEDDING_DIM:
        raise ConfigError("MODEL.HEADS.EMBEDDING_DIM: ProjectionHead needs a feature dimension, got 0")
    return ProjectionHead(
        feature_dim,
        POOLING.get(settings.POOL_LAYER)(),
        build_classifier(cfg),
        settings.EMBEDDING_DIM,
        dropout=settings.DROPOUT,
        neck_feat=settings.NECK_FEAT,
        sampled_classes=settings.SAMPLED_CLASSES,
        test_feat=cfg.TEST.NECK_FEAT,
    )
