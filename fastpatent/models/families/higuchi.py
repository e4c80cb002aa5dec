"""SwinV2 with ArcFace of Higuchi & Yanai: a timm model under `backbone.`, and `head.`, a sequence that pools first."""

NAME = "Higuchi & Yanai (SwinV2)"


def recognises(state):
    """Tell whether there are names under `backbone.` and the first norm of the head."""
    return "head.1.running_mean" in state and any(name.startswith("backbone.") for name in state)


def rename(name):
    """Return our name: ProjectionHead numbers the steps of its neck as their head does."""
    if name.startswith("backbone."):
        return "backbone.trunk." + name.removeprefix("backbone.")
    return "heads.bottleneck." + name.removeprefix("head.") if name.startswith("head.") else name
