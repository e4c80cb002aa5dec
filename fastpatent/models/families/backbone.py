"""Bare ImageNet backbones: torchvision's and IBN-Net's ResNets, and every model of timm, under their own names."""

NAME = "a bare backbone (torchvision, IBN-Net or timm)"
# First layers, by which images enter most models of timm.
STEMS = ("conv1.", "conv_stem.", "stem.", "stem_", "patch_embed.", "features.")
# Where these models keep the classifier that has no place in a network for retrieval.
CLASSIFIERS = ("fc.", "head.", "head_dist.", "classifier.")


def recognises(state):
    """Tell whether the names begin as those of a backbone for images do."""
    return any(name.startswith(STEMS) for name in state)


def is_resnet(state):
    """Tell whether the names are torchvision's for a ResNet."""
    return "conv1.weight" in state and "layer1.0.conv1.weight" in state


def rename(name):
    """Return the name as it is: where the backbone stands is for the network to say."""
    return name
