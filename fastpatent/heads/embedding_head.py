"""Pooling, batch-norm neck and margin classifier (Luo et al., "Bag of tricks", CVPRW 2019, figure 2)."""

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import ClassifyingHead, HeadOutput, build_classifier
from fastpatent.layers import POOLING
from fastpatent.layers.margin import Linear
from fastpatent.layers.norm import build_norm
from fastpatent.layers.sub_centers import SubCenters


class EmbeddingHead(ClassifyingHead):
    """Pooling, neck, classifier.

    The neck `bottleneck` is an optional 1x1 convolution to `embedding_dim` channels and an optional norm whose bias is
    frozen at 0, so that the classes spread around the origin. The feature of an image is the output of the neck, or what its
    norm takes, without L2 normalisation.

    Args:
        feature_dim: channels of the feature maps.
        pool_layer: module [batch, feature_dim, height, width] -> [batch, feature_dim, 1, 1] or [batch, feature_dim].
        classifier, sampled_classes: see `ClassifyingHead`.
        embedding_dim: dim of the features; 0 keeps feature_dim.
        with_bnneck: whether the neck has a norm.
        norm: name of the norm.
        neck_feat: features for pairwise losses, "before" (pooled) or "after" the neck. No effect in evaluation.
        test_feat: features in evaluation, "before" or "after" the norm of the neck; without a norm the same.

    Attributes:
        before_norm: how many modules of the neck come before its norm.

    Raises:
        ConfigError: unknown `neck_feat` or `norm`; in `forward`, a pooling that leaves more than one position.
    """

    def __init__(
        self,
        feature_dim: int,
        pool_layer: nn.Module,
        classifier: Linear | SubCenters,
        embedding_dim: int = 0,
        with_bnneck: bool = False,
        norm: str = "BN",
        neck_feat: str = "before",
        sampled_classes: int = 0,
        test_feat: str = "after",
    ) -> None:
        dim = embedding_dim or feature_dim
        neck: list[nn.Module] = []
        if embedding_dim:
            convolution = nn.Conv2d(feature_dim, embedding_dim, 1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
            neck.append(convolution)
        before_norm = len(neck)
        if with_bnneck:
            neck_norm = build_norm(norm, dim)
            neck_norm.bias.requires_grad_(False)
            neck.append(neck_norm)
        super().__init__(classifier, dim, sampled_classes)
        self.neck_feat, self.test_feat, self.before_norm = neck_feat, test_feat, before_norm
        self.pool_layer = pool_layer
        self.bottleneck = nn.Sequential(*neck)
        self.pair_dim = feature_dim if neck_feat == "before" else dim

    def forward(self, feature_maps: torch.Tensor, targets: torch.Tensor | None = None) -> torch.Tensor | HeadOutput:
        """Return the features in evaluation, a HeadOutput in training.

        Args:
            feature_maps: float [batch, feature_dim, height, width].
            targets: int64 [batch], class labels; required in training.

        Returns:
            float [batch, dim], or HeadOutput.
        """
        pooled = pooled_vectors(self.pool_layer, feature_maps)
        neck = self.bottleneck if self.training or self.test_feat == "after" else self.bottleneck[: self.before_norm]
        features = neck(pooled[..., None, None]).flatten(1)
        if not self.training:
            return features
        assert targets is not None
        return self.classify(features, targets, pooled if self.neck_feat == "before" else features)

    @torch.no_grad()
    def imprint(self, features: torch.Tensor, targets: torch.Tensor) -> None:
        """Turn the weights of each class into the direction of its mean feature (Qi et al., CVPR 2018, eq. 4).

        The mean is of the normalised features behind the norm, which takes all of them as one batch, as in training. The
        weights keep their lengths, and those of a class without features stay.

        Args:
            features: float32 [rows, dim], before the norm of the neck.
            targets: int64 [rows], class labels.
        """
        norm, training = self.bottleneck[self.before_norm :], self.training
        norm.train()
        classified = F.normalize(norm(features[..., None, None]).flatten(1))
        norm.train(training)
        sums = torch.zeros_like(self.weight).index_add_(0, targets, classified)
        present = targets.unique()
        self.weight[present] = F.normalize(sums[present]) * self.weight[present].norm(dim=1, keepdim=True)


def pooled_vectors(pool_layer: nn.Module, feature_maps: torch.Tensor) -> torch.Tensor:
    """Return float [batch, channels] of feature maps [batch, channels, height, width].

    Raises:
        ConfigError: the pooling leaves more than one position.
    """
    pooled = pool_layer(feature_maps)
    if pooled[0].numel() != feature_maps.shape[1]:
        shape = " x ".join(map(str, pooled.shape[1:]))
        raise ConfigError(f"MODEL.HEADS.POOL_LAYER: the pooling leaves {shape} values instead of one per channel")
    return pooled.flatten(1)


@HEADS.register(name="EmbeddingHead")
def build_embedding_head(cfg: CfgNode, feature_dim: int) -> EmbeddingHead:
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
        test_feat=cfg.TEST.NECK_FEAT,
    )
