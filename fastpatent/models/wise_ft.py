"""Weights between those that a training started from and the trained ones (WiSE-FT, Wortsman et al., CVPR 2022)."""

import copy

import torch
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.models.clip.pretrained import load_pretrained_pair
from fastpatent.models.network import Network
from fastpatent.models.patent_clip import PatentCLIP
from fastpatent.models.pretrained import load_published


def interpolated(start: dict[str, torch.Tensor], trained: dict[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """Return weights on the line between two states of one network (eq. 1 of the paper).

    Args:
        start, trained: tensors of the same names and shapes.
        alpha: 0 gives exactly `start`, 1 exactly `trained`.

    Returns:
        dict of tensors; integer tensors are those of `trained`.
    """
    if start.keys() != trained.keys():
        raise ValueError(f"names in one state only: {sorted(start.keys() ^ trained.keys())[:3]}")
    return {
        name: torch.lerp(start[name], value, alpha) if value.is_floating_point() else value
        for name, value in trained.items()
    }


def move_towards_pretrained(network: Network, cfg: CfgNode) -> None:
    """Interpolate the weights of a trained network with its pretrained ones by TEST.WISE_FT; 1 changes nothing.

    Pretrained are MODEL.CLIP.PRETRAINED of a PatentCLIP, and of the backbones of all others MODEL.BACKBONE.PRETRAIN_PATH.
    What its file lacks, such as the head, stays as trained; statistics of batch norms are interpolated too.

    Raises:
        ConfigError: TEST.WISE_FT is below 1, and no pretrained weights are named or found.
        CheckpointError: they cannot be read or belong to another network.
    """
    alpha = cfg.TEST.WISE_FT
    if alpha == 1:
        return
    start = copy.deepcopy(network)
    trunks = [trunk for backbone in start.backbones.values() if (trunk := getattr(backbone, "trunk", None))]
    if isinstance(start, PatentCLIP) and cfg.MODEL.CLIP.PRETRAINED:
        load_pretrained_pair(start, cfg)
    elif not isinstance(start, PatentCLIP) and cfg.MODEL.BACKBONE.PRETRAIN_PATH and trunks:
        for trunk in trunks:
            load_published(trunk, cfg)
    else:
        raise ConfigError(
            f"TEST.WISE_FT: is {alpha}, and there is nothing to interpolate with; write what the training started from, "
            "MODEL.CLIP.PRETRAINED of a PatentCLIP or MODEL.BACKBONE.PRETRAIN_PATH of any other network"
        )
    network.load_state_dict(interpolated(start.state_dict(), network.state_dict(), alpha))
