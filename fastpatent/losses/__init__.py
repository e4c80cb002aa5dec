"""Losses, one per file: pure functions of (embeddings or logits, labels). A builder takes cfg and returns an Objective."""

from fastpatent.registry import LOSSES

__all__ = ["LOSSES"]
