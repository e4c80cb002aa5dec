"""Backbones: networks from images to feature maps, one family per file.

A builder takes the config and returns a module from normalised images, float [batch, channels, height, width], to feature
maps [batch, feature_dim, height', width'], with the attributes

- feature_dim: channels of the feature maps;
- memory_format: the fastest memory layout (torch.channels_last for convolutional networks);
- trunk: the module whose parameter names match published ImageNet weights;
- layer_depths: optional method, needed if the layers are not the direct children; see `fastpatent.backbones.depths`.
"""

from fastpatent.registry import Registry

BACKBONES = Registry("backbone", "MODEL.BACKBONE.NAME", "fastpatent.backbones")
