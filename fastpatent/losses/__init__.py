"""Objectives, one a file: pure functions of (embeddings or logits, labels). A builder takes cfg, returns an Objective."""

from fastpatent.registry import LOSSES

__all__ = ["LOSSES"]
