"""PatentNet: torchvision's ResNet without a prefix, and a square `fc` that whitens its features."""

from fastpatent.models.families.backbone import is_resnet

NAME = "PatentNet"


def recognises(state):
    """Tell whether a ResNet's last layer gives as many numbers as it takes, which no ImageNet classifier does."""
    return is_resnet(state) and "fc.weight" in state and len(set(state["fc.weight"].shape)) == 1


def rename(name):
    """Return our name; timm's ResNet, unlike ours of re-identification, is torchvision's."""
    return f"heads.{name}" if name.startswith("fc.") else f"backbone.trunk.{name}"
