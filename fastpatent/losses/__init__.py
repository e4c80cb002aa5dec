"""Objectives, one a file: pure functions of (embeddings or logits, labels). A builder takes cfg, returns an Objective."""

from fastpatent.registry import Registry

LOSSES = Registry("loss", "MODEL.LOSSES.NAME", "fastpatent.losses")
