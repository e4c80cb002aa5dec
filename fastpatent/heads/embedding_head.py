"""Pooling, batch-norm neck and margin classifier (Luo et al., "Bag of tricks", CVPRW 2019, figure 2)."""

from torch import nn

from fastpatent.errors import ConfigError, nearest
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import ClassifyingHead, build_classifier
from fastpatent.heads.pooled import pooled_vectors
from fastpatent.layers import POOLING
from fastpatent.layers.norm import build_norm

NECK_FEATURES = ("before", "after")


class EmbeddingHead(ClassifyingHead):
    """Pool a feature map, pass the neck, classify.

    The neck `bottleneck` is an optional 1x1 convolution to `embedding_dim` channels and an optional norm whose shift is
    frozen at 0, so that the classes spread around the origin. The feature of a drawing is the neck's output as it is,
    without normalisation to length 1.

    Args:
        feature_dim: channels of the feature maps.
        pool_layer: module [batch, feature_dim, height, width] -> [batch, feature_dim, 1, 1] or [batch, feature_dim].
        classifier, sampled_classes: see `ClassifyingHead`.
        embedding_dim: dim of the features; 0 keeps feature_dim.
        with_bnneck: the norm is there.
        norm: its name.
        neck_feat: what pairwise losses see, "before" (pooled) or "after" (the neck). It has no say in evaluation.

    Raises:
        ConfigError: no such `neck_feat` or `norm`; in `forward`, a pooling that leaves more than one position.
    """

    def __init__(
        self,
        feature_dim,
        pool_layer,
        classifier,
        embedding_dim=0,
        with_bnneck=False,
        norm="BN",
        neck_feat="before",
        sampled_classes=0,
    ):
        if neck_feat not in NECK_FEATURES:
            raise ConfigError(f"MODEL.HEADS.NECK_FEAT: no choice {neck_feat!r}{nearest(neck_feat, NECK_FEATURES)}")
        dim = embedding_dim or feature_dim
        neck = []
        if embedding_dim:
            neck.append(nn.Conv2d(feature_dim, embedding_dim, 1, bias=False))
            nn.init.kaiming_normal_(neck[0].weight, mode="fan_out")
        if with_bnneck:
            neck.append(build_norm(norm, dim, "MODEL.HEADS.NORM"))
            neck[-1].bias.requires_grad_(False)
        super().__init__(classifier, dim, sampled_classes)
        self.neck_feat = neck_feat
        self.pool_layer = pool_layer
        self.bottleneck = nn.Sequential(*neck)
        self.pair_dim = feature_dim if neck_feat == "before" else dim

    def forward(self, feature_maps, targets=None):
        """Return the features in evaluation, a HeadOutput in training.

        Args:
            feature_maps: float [batch, feature_dim, height, width].
            targets: int64 [batch], the class of each drawing; needed in training only.

        Returns:
            float [batch, dim], or HeadOutput.
        """
        pooled = pooled_vectors(self.pool_layer, feature_maps)
        features = self.bottleneck(pooled[..., None, None]).flatten(1)
        if not self.training:
            return features
        return self.classify(features, targets, pooled if self.neck_feat == "before" else features)


@HEADS.register(name="EmbeddingHead")
def build_embedding_head(cfg, feature_dim):
    """Return the EmbeddingHead of MODEL.HEADS over feature maps of `feature_dim` channels."""
    settings = cfg.MODEL.HEADS
    return EmbeddingHead(
        feature_dim,
        POOLING.get(settings.POOL_LAYER)(),
        build_classifier(cfg),
        embedding_dim=settings.EMBEDDING_DIM,
        with_bnneck=settings.WITH_BNNECK,
        norm=settings.NORM,
        neck_feat=settings.NECK_FEAT,
        sampled_classes=settings.SAMPLED_CLASSES,
    )
