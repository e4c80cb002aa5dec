"""Captions to tokens, by the tokenizer of an open_clip model."""

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from fastpatent.errors import ConfigError
from fastpatent.models.clip.architecture import is_file, model_config

if TYPE_CHECKING:
    from open_clip.tokenizer import HFTokenizer, SigLipTokenizer, SimpleTokenizer

COUNTED_AT_ONCE = 4096


class Tokenizer:
    """open_clip's tokenizer of a model, created at the first call; it contains no network, so it can be sent to workers.

    Args:
        name: of the model, see `fastpatent.models.clip.architecture.model_config`.

    Raises:
        ConfigError: at the first call, if the tokenizer is neither local nor can be downloaded.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Return tokens, int64 [texts, context]; longer texts are truncated."""
        return self._tokenizer(texts)

    def count_truncated(self, texts: list[str]) -> int:
        """Return the number of texts that are longer than the context."""
        count, context = 0, self._tokenizer.context_length
        assert context is not None
        for start in range(0, len(texts), COUNTED_AT_ONCE):
            some = texts[start : start + COUNTED_AT_ONCE]
            # In a context of one more token, a longer text has a word where the truncated one has its end token.
            longer = self._tokenizer(some, context_length=context + 1)[:, :-1]
            count += int((longer != self(some)).any(dim=1).sum())
        return count

    @cached_property
    def _tokenizer(self) -> "HFTokenizer | SigLipTokenizer | SimpleTokenizer":
        from open_clip import SimpleTokenizer, get_tokenizer
        from open_clip.tokenizer import HFTokenizer

        try:
            if not is_file(self.name):
                return get_tokenizer(self.name)
            settings = model_config(self.name)["text_cfg"]
            options = {"context_length": settings.get("context_length", 77), **settings.get("tokenizer_kwargs", {})}
            source = settings.get("hf_tokenizer_name")
            return HFTokenizer(source, **options) if source else SimpleTokenizer(**options)
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            what = str(error).strip().splitlines()[0]
            raise ConfigError(f"MODEL.CLIP.NAME: the tokenizer of {self.name} is not available: {what}") from error
