"""Losses, one per file: pure functions of (embeddings or logits, labels). A builder takes cfg and returns an Objective."""

from fastpatent.registry import Registry

LOSSES = Registry("loss", "MODEL.LOSSES.NAME", "fastpatent.losses")
