"""Which open_clip model a name means, and its two towers with random weights."""

import json
from pathlib import Path

from fastpatent.errors import ConfigError, nearest

ESSENTIAL = ("embed_dim", "vision_cfg", "text_cfg")


def is_file(name):
    """Tell whether MODEL.CLIP.NAME is of a JSON file."""
    return name.endswith(".json")


def model_config(name):
    """Return open_clip's description of a model: a dict with embed_dim, vision_cfg and text_cfg.

    Args:
        name: of a model that open_clip knows, `hf-hub:organisation/model`, `local-dir:folder`, or a JSON file of such a
            description (as it is, or under `model_cfg` beside other things).

    Raises:
        ConfigError: there is none; the message has the nearest name.
    """
    import open_clip

    try:
        if is_file(name):
            found = json.loads(Path(name).read_text(encoding="utf-8"))
            found = found.get("model_cfg", found) if isinstance(found, dict) else {}
        else:
            found = open_clip.get_model_config(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"MODEL.CLIP.NAME: {name} cannot be read: {str(error).splitlines()[0]}") from error
    if found is None:
        hint = nearest(name, open_clip.list_models())
        # Without a close name the list of all hundred models would help nobody.
        hint = hint if "did you mean" in hint else "; `open_clip.list_models()` has them all"
        raise ConfigError(f"MODEL.CLIP.NAME: open_clip has no model {name!r}{hint}")
    missing = [key for key in ESSENTIAL if key not in found]
    if missing:
        raise ConfigError(f"MODEL.CLIP.NAME: {name} is no open_clip model: it has no {', '.join(missing)}")
    return found


def create_pair(name, image_size, quick_gelu=False, init_logit_scale=None, init_logit_bias=None):
    """Return open_clip's CustomTextCLIP, whose towers are `visual` and `text`, with random weights.

    Args:
        name: see `model_config`.
        image_size: (height, width) of the drawings.
        quick_gelu: the activation of OpenAI's weights, whatever the description says.
        init_logit_scale, init_logit_bias: start of the logarithm of the scale and of the bias of the logits; None: as the
            description has it.

    Raises:
        ConfigError: no such model, one of another kind, or drawings of a size that it does not take.
    """
    from open_clip import CustomTextCLIP

    settings = model_config(name)
    if "multimodal_cfg" in settings:
        raise ConfigError(f"MODEL.CLIP.NAME: {name} also writes captions; choose a model of two towers")
    size = tuple(image_size)
    drawings = f"drawings of {size[0]} x {size[1]}"
    vision = {**settings["vision_cfg"], "image_size": size, "timm_model_pretrained": False}
    if isinstance(vision.get("layers"), list):  # a ResNet pools by attention over a square
        if size[0] != size[1] or size[0] % 32:
            raise ConfigError(f"INPUT.SIZE_TRAIN: {name} takes squares of a multiple of 32, not {size[0]} x {size[1]}")
        vision["image_size"] = size[0]
    options = {
        "quick_gelu": quick_gelu or settings.get("quick_gelu", False),
        "init_logit_scale": init_logit_scale or settings.get("init_logit_scale"),
        "init_logit_bias": init_logit_bias or settings.get("init_logit_bias"),
        "nonscalar_logit_scale": settings.get("nonscalar_logit_scale"),
    }
    options = {key: value for key, value in options.items() if value is not None}
    text = {**settings["text_cfg"], "hf_model_pretrained": False}
    try:
        pair = CustomTextCLIP(settings["embed_dim"], vision, text, **options)
        if vision.get("timm_model_name"):
            pair.visual.set_input_size(size)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AssertionError, ImportError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"MODEL.CLIP.NAME: {name} cannot be built for {drawings}: {what}") from error
    patch = getattr(pair.visual, "patch_size", (1, 1))
    if any(length % step for length, step in zip(size, patch, strict=True)):
        raise ConfigError(f"INPUT.SIZE_TRAIN: patches of {patch[0]} x {patch[1]} of {name} do not divide {drawings}")
    return pair
