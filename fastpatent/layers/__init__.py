"""Layers: norms, IBN, non-local blocks, pooling, margin classifiers."""

from fastpatent.registry import Registry

POOLING = Registry("pooling", "MODEL.HEADS.POOL_LAYER", "fastpatent.layers")
CLASSIFIERS = Registry("classifier", "MODEL.HEADS.CLS_LAYER", "fastpatent.layers")
