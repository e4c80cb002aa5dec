"""PatentCLIP: drawings and texts in one space (Radford et al., ICML 2021), by any two towers of open_clip."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError, nearest
from fastpatent.losses.contrastive import clip_loss, positive_pairs, siglip_loss
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.clip.architecture import create_pair
from fastpatent.models.clip.chunks import in_chunks
from fastpatent.models.clip.grey_conv import take_grey
from fastpatent.models.clip.pretrained import load_pretrained_pair, tag_settings
from fastpatent.models.clip.tokenizer import Tokenizer

LOSSES = {"clip": clip_loss, "siglip": siglip_loss}
POSITIVES = ("pair", "identity", "class")
TOWERS = {"image": "visual", "text": "text"}
# Where a sigmoid starts (Zhai et al., section 3.2): few of the pairs are right, and the bias says so.
SIGMOID_START = {"init_logit_scale": math.log(10), "init_logit_bias": -10.0}
LARGEST_SCALE = 100  # Radford et al., section 2.5


class PatentCLIP(nn.Module):
    """A tower for drawings, a tower for texts, and a loss that brings together those that belong together.

    Weights have the names of open_clip's CustomTextCLIP.

    Args:
        pair: open_clip's CustomTextCLIP for colour images.
        pixel_mean, pixel_std: lists of one or three numbers over 0..255.
        tokenize: Tokenizer.
        loss: "clip" or "siglip".
        shared: pairs of drawings of one label are right too, not only a drawing and its own text.
        lock: towers that do not learn: "image", "text"; they stay in evaluation mode.
        chunk: how many drawings, or texts, a tower takes at a time in training (see `in_chunks`); 0: all.
        checkpointing: recompute the layers of the towers in the backward pass.

    Attributes:
        tokenize: as given.
        essential: how the names begin that a weights file must have, see `fastpatent.models.weights.load_weights`.

    Raises:
        ConfigError: chunks of a tower that normalises over the batch, which would see other statistics.
    """

    essential = "visual.", "text."

    def __init__(
        self, pair, pixel_mean, pixel_std, tokenize, loss="clip", shared=False, lock=(), chunk=0, checkpointing=False
    ):
        super().__init__()
        self.visual, self.text = pair.visual, pair.text
        self.logit_scale, self.logit_bias = pair.logit_scale, pair.logit_bias
        colours = [list(values) * (3 // len(values)) for values in (pixel_mean, pixel_std)]
        self.door = take_grey(self.visual, *colours)
        self.tokenize, self.shared, self.chunk = tokenize, shared, chunk
        self.loss_name, self.loss = f"loss_{loss}", LOSSES[loss]
        self.locked = [TOWERS[name] for name in lock]
        for name in TOWERS.values():
            tower = getattr(self, name)
            if name in self.locked:
                tower.requires_grad_(False)
            elif chunk and any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in tower.modules()):
                raise ConfigError(f"MODEL.CLIP.CHUNK: the {name} tower normalises over the batch, so it must be 0")
            elif checkpointing:
                tower.set_grad_checkpointing(True)
        if self.logit_bias is not None and loss == "clip":
            # No softmax sees it, and a parameter that no loss reaches would stall distributed training.
            self.logit_bias.requires_grad_(False)
        self.train()

    def train(self, mode=True):
        """Set training or evaluation mode; locked towers stay in evaluation."""
        super().train(mode)
        for name in self.locked:
            getattr(self, name).eval()
        return self

    def embed_images(self, images):
        """Return float32 features [batch, dim] of length 1 of uint8 drawings [batch, 1, height, width]."""
        return self._embed("visual", lambda drawings: self.visual(self.door(drawings)), images)

    def embed_text(self, tokens):
        """Return float32 features [batch, dim] of length 1 of tokens int64 [batch, context], see `tokenize`."""
        return self._embed("text", self.text, tokens)

    def _embed(self, name, tower, rows):
        learns = torch.is_grad_enabled() and name not in self.locked
        with torch.set_grad_enabled(learns):
            return F.normalize(in_chunks(tower, rows, self.chunk if learns else 0).float(), dim=1)

    def forward(self, images, targets=None, domains=None, texts=None):
        """Return features of drawings in evaluation and the loss in training.

        Args:
            images: uint8 [batch, 1, height, width], 0 ink, 255 paper.
            targets: int64 [batch], with `shared`: the patent or class of each drawing, below 0 where it has none.
            domains: not read.
            texts: int64 [batch, context], the tokens of each drawing's text; needed in training.

        Returns:
            in evaluation float32 features [batch, dim] of length 1; in training {"loss_clip" or "loss_siglip": scalar}, over
            the batches of all processes in rank order, with the same value on each.
        """
        if not self.training:
            return self.embed_images(images)
        with torch.no_grad():
            self.logit_scale.clamp_(0, math.log(LARGEST_SCALE))
        features = [gather_with_gradient(rows) for rows in (self.embed_images(images), self.embed_text(texts))]
        positive = positive_pairs(gather_labels(targets)) if self.shared else None
        return {self.loss_name: self.loss(*features, self.logit_scale.exp(), self.logit_bias, positive)}


@META_ARCHITECTURES.register(name="PatentCLIP")
def build_patent_clip(cfg):
    """Return the PatentCLIP of MODEL.CLIP for drawings of INPUT.SIZE_TRAIN, PIXEL_MEAN and PIXEL_STD.

    It starts from PRETRAINED, unless MODEL.WEIGHTS replaces them.

    Raises:
        ConfigError: an unknown name, or a size that the tower does not take.
        CheckpointError: PRETRAINED cannot be read or belongs to other towers.
    """
    settings = cfg.MODEL.CLIP
    _check_choice("LOSS", [settings.LOSS], LOSSES)
    _check_choice("POSITIVES", [settings.POSITIVES], POSITIVES)
    _check_choice("LOCK", settings.LOCK, TOWERS)
    for key, unwanted in (("MODEL.COMPILE", cfg.MODEL.COMPILE), ("SOLVER.LAYER_DECAY", cfg.SOLVER.LAYER_DECAY != 1)):
        if unwanted:
            raise ConfigError(f"{key}: PatentCLIP has no backbone that this could apply to; leave it at its default")
    if list(cfg.INPUT.SIZE_TEST) != list(cfg.INPUT.SIZE_TRAIN):
        size = list(cfg.INPUT.SIZE_TRAIN)
        raise ConfigError(f"INPUT.SIZE_TEST: {settings.NAME} takes one size, so it must equal INPUT.SIZE_TRAIN, {size}")
    for key in ("PIXEL_MEAN", "PIXEL_STD"):
        if len(cfg.MODEL[key]) not in (1, 3):
            raise ConfigError(
                f"MODEL.{key}: {len(cfg.MODEL[key])} values, but the towers of open_clip take three, or one for all"
            )
    quick_gelu = tag_settings(settings.NAME, settings.PRETRAINED).get("quick_gelu", False)
    start = SIGMOID_START if settings.LOSS == "siglip" else {}
    model = PatentCLIP(
        create_pair(settings.NAME, cfg.INPUT.SIZE_TRAIN, quick_gelu, **start),
        cfg.MODEL.PIXEL_MEAN,
        cfg.MODEL.PIXEL_STD,
        Tokenizer(settings.NAME),
        settings.LOSS,
        settings.POSITIVES != "pair",
        settings.LOCK,
        settings.CHUNK,
        settings.CHECKPOINTING,
    )
    if settings.PRETRAINED and not cfg.MODEL.WEIGHTS:
        load_pretrained_pair(model, cfg)
    return model


def _check_choice(key, names, choices):
    for name in names:
        if name not in choices:
            raise ConfigError(f"MODEL.CLIP.{key}: {name!r} is unknown{nearest(name, choices)}")
