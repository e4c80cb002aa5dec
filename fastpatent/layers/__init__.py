"""Layers: norms, IBN, non-local blocks, pooling, margin classifiers."""

from fastpatent.registry import CLASSIFIERS, NORMS, POOLING

__all__ = ["CLASSIFIERS", "NORMS", "POOLING"]
