"""The open_clip model of a name, and its two towers with random weights."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fastpatent.config.by_name import find_file
from fastpatent.downloads import check_download
from fastpatent.errors import ConfigError, nearest, shown
from fastpatent.files import read_regular

if TYPE_CHECKING:
    from open_clip.model import CustomTextCLIP

KEY = "MODEL.CLIP.NAME"
HUB, FOLDER = "hf-hub:", "local-dir:"
ESSENTIAL = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
LARGEST = 2**20  # bytes of a JSON file; open_clip's own have less than 2 kB
# Of the numbers that decide the size of a network, a little more than the most of open_clip's own models, which have up to
# five billion parameters: a few bytes of text take no more memory than their names do.
TOWER = {"layers": 64, "width": 2048, "mlp_ratio": 9}
VISION = {**TOWER, "head_width": 256, "patch_size": 64, "attn_pooler_queries": 1024, "attn_pooler_heads": 64}
TEXT = {**TOWER, "heads": 64, "vocab_size": 2**20, "context_length": 1024}
RESNET = {**VISION, "width": 256}  # of which its last layer has 32 times as many


def model_config(name: str) -> dict[str, Any]:
    """Return open_clip's configuration of a model: a dict with embed_dim, vision_cfg and text_cfg.

    Args:
        name: a model of open_clip, `hf-hub:organisation/model`, `local-dir:folder`, or a JSON file of such a configuration,
            at the top level or under `model_cfg`.

    Raises:
        ConfigError: there is none, and the message gives the closest name; or it would be downloaded.
    """
    import open_clip

    if name.startswith(HUB):
        check_download(KEY, name)
    try:
        if name.endswith(".json"):
            found = _read(Path(find_file(name)))
        elif name.startswith(FOLDER):
            found = _read(Path(name.removeprefix(FOLDER), "open_clip_config.json"))
        else:
            found = open_clip.get_model_config(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{KEY}: {name} cannot be read: {str(error).splitlines()[0]}") from error
    if found is None:
        hint = nearest(name, open_clip.list_models())
        # Without a close name, a list of more than a hundred models would not help.
        hint = hint if "did you mean" in hint else "; see `open_clip.list_models()`"
        raise ConfigError(f"{KEY}: open_clip has no model {name!r}{hint}")
    missing = [key for key, kind in ESSENTIAL.items() if not (isinstance(found, dict) and isinstance(found.get(key), kind))]
    if missing:
        raise ConfigError(f"{KEY}: {name} is no open_clip model: it has no {', '.join(missing)}")
    vision, text = found["vision_cfg"], found["text_cfg"]
    resnet = isinstance(vision.get("layers"), list)
    for part, bounds in ((found, {"embed_dim": 4096}), (vision, RESNET if resnet else VISION), (text, TEXT)):
        for key, most in bounds.items():
            given = part.get(key)
            for number in given if isinstance(given, list) else [given]:
                if number is not None and not _is_size(number, most, whole=key != "mlp_ratio"):
                    raise ConfigError(f"{KEY}: {name}: {key} is a number from 1 to {most}, not {shown(number)}")
    return found


def _is_size(number: Any, most: int, whole: bool) -> bool:
    kinds = int if whole else int | float
    return isinstance(number, kinds) and not isinstance(number, bool) and 1 <= number <= most


def _read(path: Path) -> Any:
    found = json.loads(read_regular(path, LARGEST))
    return found.get("model_cfg", found) or {} if isinstance(found, dict) else {}


def _check_towers(name: str, vision: dict[str, Any], text: dict[str, Any]) -> None:
    """Raise ConfigError where a tower is of a library's hub: its files may hold code, or it would be downloaded.

    timm's models are of timm itself. The text towers of transformers are those that open_clip's own models name.
    """
    import open_clip
    import timm

    image_tower, text_tower = vision.get("timm_model_name"), text.get("hf_model_name")
    if image_tower and not (isinstance(image_tower, str) and timm.is_model(image_tower)):
        raise ConfigError(f"{KEY}: {name}: timm has no model {image_tower!r}")
    if not text_tower:
        return
    known = {model_config(model)["text_cfg"].get("hf_model_name") for model in open_clip.list_models()}
    if not isinstance(text_tower, str) or text_tower not in known or os.path.exists(text_tower):
        raise ConfigError(f"{KEY}: {name}: the text tower {text_tower!r} is of no model of open_clip's own")
    check_download(KEY, f"the description of the text tower {text_tower} of {name}")


@torch.no_grad()
def _try(pair: "CustomTextCLIP", height: int, width: int, settings: dict[str, Any]) -> None:
    """Raise any exception where the towers do not give one embedding of an image and of a text."""
    pair.eval()
    words = torch.zeros(1, pair.context_length, dtype=torch.long)
    for found in (pair.encode_image(torch.zeros(1, 3, height, width)), pair.encode_text(words)):
        if not isinstance(found, torch.Tensor) or found.shape != (1, settings["embed_dim"]):
            raise ValueError(f"a tower does not give one embedding of {settings['embed_dim']} values")
    pair.train()


def create_pair(
    name: str,
    image_size: Sequence[int],
    quick_gelu: bool = False,
    init_logit_scale: float | None = None,
    init_logit_bias: float | None = None,
) -> "CustomTextCLIP":
    """Return open_clip's CustomTextCLIP, whose towers are `visual` and `text`, with random weights.

    Args:
        name: see `model_config`.
        image_size: (height, width) of the images.
        quick_gelu: the activation of OpenAI's weights, whatever the configuration of the model.
        init_logit_scale, init_logit_bias: initial values of the log of the scale and of the bias of the logits; None: as in
            the configuration of the model.

    Raises:
        ConfigError: unknown or unsupported model, or an image size that it does not accept.
    """
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
    from open_clip.timm_model import TimmModel

    settings = model_config(name)
    _check_towers(name, settings["vision_cfg"], settings["text_cfg"])
    if "multimodal_cfg" in settings:
        raise ConfigError(f"{KEY}: {name} also writes captions; choose a model of two towers")
    height, width = size = tuple(image_size)
    images = f"images of {height} x {width}"
    vision = {**settings["vision_cfg"], "image_size": size, "timm_model_pretrained": False}
    if isinstance(vision.get("layers"), list):  # a ResNet, whose attention pooling needs a square
        if height != width or height % 32:
            raise ConfigError(f"INPUT.SIZE_TRAIN: {name} takes squares of a multiple of 32, not {height} x {width}")
        vision["image_size"] = height
    options = {
        "quick_gelu": quick_gelu or settings.get("quick_gelu", False),
        "init_logit_scale": init_logit_scale or settings.get("init_logit_scale"),
        "init_logit_bias": init_logit_bias or settings.get("init_logit_bias"),
        "nonscalar_logit_scale": settings.get("nonscalar_logit_scale"),
    }
    options = {key: value for key, value in options.items() if value is not None}
    text = {**settings["text_cfg"], "hf_model_pretrained": False}
    try:
        pair = CustomTextCLIP(settings["embed_dim"], CLIPVisionCfg(**vision), CLIPTextCfg(**text), **options)
        if isinstance(pair.visual, TimmModel):
            pair.visual.set_input_size((height, width))
        if name.endswith(".json") or name.startswith(FOLDER):  # what is built may not run
            _try(pair, height, width, settings)
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AssertionError,
        ImportError,
        AttributeError,
    ) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{KEY}: {name} cannot be built for {images}: {what}") from error
    patch = getattr(pair.visual, "patch_size", (1, 1))
    if any(length % step for length, step in zip(size, patch, strict=True)):
        raise ConfigError(f"INPUT.SIZE_TRAIN: patches of {patch[0]} x {patch[1]} of {name} do not divide {images}")
    return pair
