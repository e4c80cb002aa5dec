"""open_clip's pairs of towers, the released PatentCLIP among them: today's names, or those of old."""

NAME = "open_clip"
# Of the text tower where it has no prefix of its own.
TEXT = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")


def recognises(state):
    """Tell whether there is an image tower and the scale of the logits."""
    return "logit_scale" in state and any(name.startswith("visual.") for name in state)


def rename(name):
    """Return today's name, which is ours too."""
    return f"text.{name}" if name.startswith(TEXT) else name
