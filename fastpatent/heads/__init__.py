"""Heads: from feature maps to embeddings and logits. A builder takes (cfg, feature_dim) and returns a module."""

from fastpatent.registry import HEADS

__all__ = ["HEADS"]
