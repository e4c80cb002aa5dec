"""The challenge's re-identification system, whose names are ours too, and the older names of its framework."""

NAME = "the challenge's system or of fastpatent"
OLDER = {"heads.bnneck.": "heads.bottleneck.0.", "heads.classifier.weight": "heads.weight"}


def recognises(state):
    """Tell whether the names begin with `backbone.` or `heads.`."""
    return any(name.startswith(("backbone.", "heads.")) for name in state)


def rename(name):
    """Return today's name of an older one."""
    for older, today in OLDER.items():
        if name.startswith(older):
            return today + name.removeprefix(older)
    return name
