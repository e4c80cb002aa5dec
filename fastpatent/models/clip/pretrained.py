"""Published weights for a PatentCLIP: a file, a tag of open_clip, or a model on the Hugging Face hub; and WiSE-FT."""

import logging
from pathlib import Path

import torch

from fastpatent.errors import ConfigError, nearest
from fastpatent.models.weights import load_weights

logger = logging.getLogger(__name__)
HUB = "hf-hub:"


def tag_settings(name, pretrained):
    """Return what open_clip knows of the weights `pretrained` of the model `name`: a dict, empty where it is no tag."""
    import open_clip

    return (open_clip.get_pretrained_cfg(name, pretrained) or {}) if pretrained else {}


def pretrained_file(name, pretrained):
    """Return the path of the weights that MODEL.CLIP.PRETRAINED names, downloaded where it is no file.

    Raises:
        ConfigError: neither file nor tag, or the download failed.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained_from_hf

    settings = tag_settings(name, pretrained)
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


def load_pretrained_pair(model, cfg):
    """Load MODEL.CLIP.PRETRAINED into a PatentCLIP.

    Scale and bias of weights trained with a softmax say nothing of a sigmoid: without a bias in the file both stay as they
    were. A warning tells of MODEL.PIXEL_MEAN that is not the one which a tag was trained with.

    Returns:
        LoadReport.

    Raises:
        ConfigError: no such weights. CheckpointError: they cannot be read or belong to other towers.
    """
    settings = cfg.MODEL.CLIP
    _check_mean(cfg)
    scale = model.logit_scale.detach().clone()
    report = load_weights(model, pretrained_file(settings.NAME, settings.PRETRAINED))
    if "logit_bias" in report.missing:
        model.logit_scale.data.copy_(scale)
    return report


def _check_mean(cfg):
    import open_clip

    trained = tag_settings(cfg.MODEL.CLIP.NAME, cfg.MODEL.CLIP.PRETRAINED)
    if not trained:
        return
    mean = [255 * value for value in trained.get("mean") or open_clip.OPENAI_DATASET_MEAN]
    own = list(cfg.MODEL.PIXEL_MEAN) * (3 // len(cfg.MODEL.PIXEL_MEAN))
    if max(abs(one - other) for one, other in zip(mean, own, strict=True)) > 0.5:
        wanted = ", ".join(f"{value:.2f}" for value in mean)
        logger.warning(f"MODEL.PIXEL_MEAN: {cfg.MODEL.CLIP.PRETRAINED} was trained with [{wanted}]")


def interpolated(zero_shot, fine_tuned, alpha):
    """Return weights on the line between two states of one network (WiSE-FT, Wortsman et al., CVPR 2022, eq. 1).

    Args:
        zero_shot, fine_tuned: dicts of the same names to tensors of the same shapes.
        alpha: 0 gives the first, 1 the second, to the bit.

    Returns:
        dict of tensors; those of whole numbers are of `fine_tuned`.
    """
    if zero_shot.keys() != fine_tuned.keys():
        raise ValueError(f"names in one state only: {sorted(zero_shot.keys() ^ fine_tuned.keys())[:3]}")
    return {
        name: torch.lerp(zero_shot[name], value, alpha) if value.is_floating_point() else value
        for name, value in fine_tuned.items()
    }


def move_towards_pretrained(model, cfg):
    """Put a trained PatentCLIP between MODEL.CLIP.PRETRAINED and its weights, by TEST.WISE_FT; 1 leaves it as it is.

    Raises:
        ConfigError: a share outside 0..1, or no PRETRAINED to go towards.
    """
    alpha = cfg.TEST.WISE_FT
    if not 0 <= alpha <= 1:
        raise ConfigError(f"TEST.WISE_FT: {alpha} is not between 0 (pre-trained) and 1 (fine-tuned)")
    if alpha == 1:
        return
    if not cfg.MODEL.CLIP.PRETRAINED:
        raise ConfigError("TEST.WISE_FT: MODEL.CLIP.PRETRAINED is empty; write the weights that the training started from")
    fine_tuned = {name: value.clone() for name, value in model.state_dict().items()}
    load_pretrained_pair(model, cfg)
    model.load_state_dict(interpolated(model.state_dict(), fine_tuned, alpha))
