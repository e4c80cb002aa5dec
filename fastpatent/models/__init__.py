"""Networks: a backbone, a head and losses, or two towers, as the configuration describes.

A builder takes the config and returns a `Network` (see `fastpatent.models.network`), on the CPU and in training mode. It
is registered with META_ARCHITECTURES, or from outside by `@fastpatent.register("network")`. The rest of the package uses a
network through this interface only, whatever its class:

- `network(images, targets, domains[, tokens])` returns a dict of scalar losses in training mode, whose sum is the
  objective; in evaluation mode it returns `embed_images(images, domains)`;
- `embed_images`, and `embed_texts` of a network with a text tower;
- `feature_maps`: where in an image its features come from; None of a network without maps;
- `backbones`, `head`, `classifier_weight`, `layer_depths` and `backbone_inputs`: for optimizer, compiler and weights files;
- `best_metric`: the metric that selects its best checkpoint.

A network with a text tower also registers a builder `(cfg) -> tokenizer` with TOKENIZERS under its own name: loaders
tokenise captions before the network is built, and commands accept texts as queries only if there is one. Where the tokenizer
has `count_truncated(texts)`, training reports how many captions are longer than the network reads.
"""

from collections.abc import Callable

import torch
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.models.network import Network
from fastpatent.registry import META_ARCHITECTURES, TOKENIZERS

__all__ = ["META_ARCHITECTURES", "TOKENIZERS", "Network", "build_model", "build_tokenizer", "with_classes"]


def build_model(cfg: CfgNode) -> Network:
    """Return the network that `cfg` describes, on the CPU, with initial or ImageNet weights, in training mode.

    MODEL.HEADS.NUM_CLASSES must be set. MODEL.WEIGHTS is not loaded, see `fastpatent.models.weights.load_weights`.

    Raises:
        ConfigError: unknown component, or a setting that it does not support.
        CheckpointError: MODEL.BACKBONE.PRETRAIN_PATH cannot be read or belongs to another network.
    """
    return META_ARCHITECTURES.get(cfg.MODEL.META_ARCHITECTURE)(cfg)


def build_tokenizer(cfg: CfgNode) -> Callable[[list[str]], torch.Tensor] | None:
    """Return the tokenizer, list of str -> int64 [texts, context], of a network with a text tower; None for any other."""
    build = TOKENIZERS.all().get(cfg.MODEL.META_ARCHITECTURE)
    return build(cfg) if build else None


def with_classes(cfg: CfgNode, found: int, resumed: bool = False) -> CfgNode:
    """Return the configuration with MODEL.HEADS.NUM_CLASSES filled in from the number of training identities.

    A number in the configuration is kept. A resumed run has all its weights, so MODEL.BACKBONE.PRETRAIN,
    its path and MODEL.TOWER_WEIGHTS are disabled.

    Raises:
        ConfigError: the number in the configuration is too small.
    """
    cfg = cfg.clone()
    cfg.defrost()
    if resumed:
        cfg.MODEL.BACKBONE.PRETRAIN, cfg.MODEL.BACKBONE.PRETRAIN_PATH, cfg.MODEL.TOWER_WEIGHTS = False, "", ["", ""]
    if cfg.MODEL.HEADS.NUM_CLASSES == 0:
        cfg.MODEL.HEADS.NUM_CLASSES = found
    elif cfg.MODEL.HEADS.NUM_CLASSES < found:
        raise ConfigError(
            f"MODEL.HEADS.NUM_CLASSES is {cfg.MODEL.HEADS.NUM_CLASSES}, but the training set has {found} identities; write 0"
        )
    cfg.freeze()
    return cfg
