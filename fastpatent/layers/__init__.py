"""Layers: norms, IBN, non-local blocks, pooling, margin classifiers."""

from fastpatent.registry import CLASSIFIERS, POOLING

__all__ = ["CLASSIFIERS", "POOLING"]
