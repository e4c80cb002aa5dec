"""Published weights for PatentCLIP: a file, a tag of open_clip, or a model on the Hugging Face hub."""

import logging
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from fastpatent.downloads import check_download
from fastpatent.errors import ConfigError, nearest
from fastpatent.models.clip.architecture import HUB
from fastpatent.models.network import Network
from fastpatent.models.weights import LoadReport, load_weights

logger = logging.getLogger(__name__)


def tag_settings(name: str, pretrained: str) -> dict[str, Any]:
    """Return open_clip's settings of the weights `pretrained` of the model `name`; empty if it is no tag."""
    import open_clip

    return (open_clip.get_pretrained_cfg(name, pretrained) or {}) if pretrained else {}


def pretrained_file(name: str, pretrained: str) -> str:
    """Return the path of the weights MODEL.CLIP.PRETRAINED, downloaded unless it is a file.

    Raises:
        ConfigError: neither file nor tag, or the download failed or is not allowed.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained_from_hf

    settings = tag_settings(name, pretrained)
    if settings or pretrained.startswith(HUB):
        check_download("MODEL.CLIP.PRETRAINED", pretrained)
    try:
        if pretrained.startswith(HUB):
            return download_pretrained_from_hf(pretrained.removeprefix(HUB))
        if settings:
            return open_clip.download_pretrained(settings)
    except (OSError, RuntimeError, ValueError) as error:
        what = str(error).splitlines()[0]
        raise ConfigError(f"MODEL.CLIP.PRETRAINED: {pretrained} could not be downloaded: {what}") from error
    if not Path(pretrained).is_file():
        tags = open_clip.list_pretrained_tags_by_model(name)
        raise ConfigError(
            f"MODEL.CLIP.PRETRAINED: {pretrained!r} is neither a file nor a tag of {name}{nearest(pretrained, tags)}"
        )
    return pretrained


def load_pretrained_pair(model: Network, cfg: CfgNode) -> LoadReport:
    """Load MODEL.CLIP.PRETRAINED into a PatentCLIP.

    A scale trained with a softmax does not suit a sigmoid: if the file has no bias, scale and bias keep their values. A
    warning is logged if MODEL.PIXEL_MEAN differs from that of the tag.

    Raises:
        ConfigError: no such weights.
        CheckpointError: the file cannot be read or belongs to other towers.
    """
    settings = cfg.MODEL.CLIP
    _check_mean(cfg)
    scale = model.get_parameter("logit_scale").detach()
    before = scale.clone()
    report = load_weights(model, pretrained_file(settings.NAME, settings.PRETRAINED))
    if "logit_bias" in report.missing:
        scale.copy_(before)
    return report


def _check_mean(cfg: CfgNode) -> None:
    import open_clip

    trained = tag_settings(cfg.MODEL.CLIP.NAME, cfg.MODEL.CLIP.PRETRAINED)
    if not trained:
        return
    mean = [255 * value for value in trained.get("mean") or open_clip.OPENAI_DATASET_MEAN]
    own = list(cfg.MODEL.PIXEL_MEAN) * (3 // len(cfg.MODEL.PIXEL_MEAN))
    if max(abs(one - other) for one, other in zip(mean, own, strict=True)) > 0.5:
        wanted = ", ".join(f"{value:.2f}" for value in mean)
        logger.warning(f"MODEL.PIXEL_MEAN: {cfg.MODEL.CLIP.PRETRAINED} was trained with [{wanted}]")
