"""Networks from drawings to feature maps, one family a file.

A builder takes the config and returns a module from float [batch, channels, height, width], normalised, to feature maps
[batch, feature_dim, height', width'], with the attributes

- feature_dim: channels of the feature maps;
- memory_format: the layout in which it runs fastest (torch.channels_last for convolutional networks);
- trunk: the module under whose names published ImageNet weights are stored;
- layer_depths: where layers are not simply the direct children, see `fastpatent.backbones.depths`.
"""

from fastpatent.registry import Registry

BACKBONES = Registry("backbone", "MODEL.BACKBONE.NAME", "fastpatent.backbones")
