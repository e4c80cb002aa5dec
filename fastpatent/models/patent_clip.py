"""PatentCLIP: images and texts in one space (Radford et al., ICML 2021), by any two towers of open_clip."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.config.image_size import image_size
from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError
from fastpatent.losses.image_text import clip_loss, positive_pairs, siglip_loss
from fastpatent.models import META_ARCHITECTURES, TOKENIZERS
from fastpatent.models.clip.architecture import create_pair
from fastpatent.models.clip.chunks import in_chunks
from fastpatent.models.clip.grey_conv import take_grey
from fastpatent.models.clip.layer_depths import tower_layer_depths
from fastpatent.models.clip.pretrained import load_pretrained_pair, tag_settings
from fastpatent.models.clip.tokenizer import Tokenizer
from fastpatent.models.network import Network

if TYPE_CHECKING:
    from open_clip.model import CustomTextCLIP

LOSSES = {"clip": clip_loss, "siglip": siglip_loss}
TOWERS = {"image": "visual", "text": "text"}
# Initial values for a sigmoid (Zhai et al., section 3.2); the bias accounts for the small share of positive pairs.
SIGMOID_START = {"init_logit_scale": math.log(10), "init_logit_bias": -10.0}
LARGEST_SCALE = 100  # Radford et al., section 2.5


class PatentCLIP(Network):
    """An image tower, a text tower, and a contrastive loss between the two.

    The parameters have the names of open_clip's CustomTextCLIP.

    Args:
        pair: open_clip's CustomTextCLIP for colour images.
        pixel_mean, pixel_std: one or three numbers over 0..255.
        tokenize: tokenizer of the text tower.
        loss: "clip" or "siglip".
        shared: all images and texts of one label are positive pairs, not only an image and its own text.
        lock: towers that are not trained ("image", "text"); they stay in evaluation mode.
        chunk: number of images, or texts, per forward pass of a tower in training (see `in_chunks`); 0: all.
        checkpointing: recompute the layers of the towers in the backward pass.

    Attributes:
        tokenize: as given.
        pretrained: whether the weights are those of MODEL.CLIP.PRETRAINED, so that it can be tested without training.

    Raises:
        ConfigError: `chunk` with a tower that normalises over the batch, whose statistics would change.
    """

    best_metric = "mean-R"
    essential = "visual.", "text."
    pretrained = False
    tokenize: Tokenizer

    def __init__(
        self,
        pair: "CustomTextCLIP",
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        tokenize: Tokenizer,
        loss: str = "clip",
        shared: bool = False,
        lock: Sequence[str] = (),
        chunk: int = 0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.visual: nn.Module = pair.visual
        self.text: nn.Module = pair.text
        self.logit_scale, self.logit_bias = pair.logit_scale, pair.logit_bias
        colours = [list(values) * (3 // len(values)) for values in (pixel_mean, pixel_std)]
        self.widen = take_grey(self.visual, *colours)
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
            # A softmax does not depend on it, and a parameter without a gradient would stall distributed training.
            self.logit_bias.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; locked towers stay in evaluation mode."""
        super().train(mode)
        for name in self.locked:
            getattr(self, name).eval()
        return self

    @property
    def backbones(self) -> dict[str, nn.Module]:
        """See `Network`."""
        return {name: getattr(self, name) for name in TOWERS.values()}

    def layer_depths(self, backbone: str) -> dict[str, int]:
        """See `Network`."""
        return tower_layer_depths(self.backbones[backbone])

    def backbone_inputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """See `Network`."""
        rows = images[: self.chunk or None]  # what a tower that learns sees at once
        tokens = self.tokenize([""]).to(rows.device).expand(len(rows), -1)
        return {"visual": self.widen(rows), "text": tokens}

    def embed_images(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return float32 features [batch, dim], L2-normalised; see `Network`."""
        return self._embed("visual", lambda rows: self.visual(self.widen(rows)), images)

    def embed_texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return float32 features [batch, dim], L2-normalised, of tokens int64 [batch, context], see `tokenize`."""
        return self._embed("text", self.text, tokens)

    def _embed(self, name: str, tower: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        learns = torch.is_grad_enabled() and name not in self.locked
        with torch.set_grad_enabled(learns):
            return F.normalize(in_chunks(tower, rows, self.chunk if learns else 0).float(), dim=1)

    def forward(
        self,
        images: torch.Tensor,
        targets: torch.Tensor | None = None,
        domains: torch.Tensor | None = None,
        texts: torch.Tensor | None = None,
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return features of images in evaluation and the loss in training.

        Args:
            images: uint8 [batch, 1, height, width], 0 ink, 255 paper.
            targets: int64 [batch], the patent or class of each image, below 0 if unknown; used with `shared`.
            domains: not used.
            texts: int64 [batch, context], the tokens of each image's text; needed in training.

        Returns:
            in evaluation float32 features [batch, dim], L2-normalised; in training {"loss_clip" or "loss_siglip": scalar}
            over the batches of all processes in rank order, with the same value on each.
        """
        if not self.training:
            return self.embed_images(images)
        assert texts is not None, "training needs the text of each image"
        with torch.no_grad():
            self.logit_scale.clamp_(0, math.log(LARGEST_SCALE))
        image_features = gather_with_gradient(self.embed_images(images))
        text_features = gather_with_gradient(self.embed_texts(texts))
        positive = None
        if self.shared:
            assert targets is not None, "shared pairs need the label of each image"
            positive = positive_pairs(gather_labels(targets))
        return {self.loss_name: self.loss(image_features, text_features, self.logit_scale.exp(), self.logit_bias, positive)}


@TOKENIZERS.register(name="PatentCLIP")
def build_clip_tokenizer(cfg: CfgNode) -> Tokenizer:
    """Return the Tokenizer of MODEL.CLIP.NAME."""
    return Tokenizer(cfg.MODEL.CLIP.NAME)


@META_ARCHITECTURES.register(name="PatentCLIP")
def build_patent_clip(cfg: CfgNode) -> PatentCLIP:
    """Return the PatentCLIP of MODEL.CLIP for training images (`image_size`), PIXEL_MEAN and PIXEL_STD.

    It starts from PRETRAINED, unless MODEL.WEIGHTS replaces these weights.

    Raises:
        ConfigError: an unknown name, or an image size that the tower does not accept.
        CheckpointError: PRETRAINED cannot be read or belongs to other towers.
    """
    settings = cfg.MODEL.CLIP
    (key, size), (test_key, test_size) = image_size(cfg, "SIZE_TRAIN"), image_size(cfg, "SIZE_TEST")
    if size != test_size:
        raise ConfigError(
            f"INPUT.{test_key}: {settings.NAME} accepts one size only, so it must equal INPUT.{key}, {list(size)}"
        )
    quick_gelu = tag_settings(settings.NAME, settings.PRETRAINED).get("quick_gelu", False)
    start = SIGMOID_START if settings.LOSS == "siglip" else {}
    model = PatentCLIP(
        create_pair(settings.NAME, size, quick_gelu, **start),
        cfg.MODEL.PIXEL_MEAN,
        cfg.MODEL.PIXEL_STD,
        build_clip_tokenizer(cfg),
        settings.LOSS,
        settings.POSITIVES != "pair",
        settings.LOCK,
        settings.CHUNK,
        settings.CHECKPOINTING,
    )
    if settings.PRETRAINED and not cfg.MODEL.WEIGHTS:
        load_pretrained_pair(model, cfg)
        model.pretrained = True
    return model
