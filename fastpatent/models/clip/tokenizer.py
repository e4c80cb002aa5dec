"""Captions to numbers, by the tokenizer that belongs to an open_clip model."""

from functools import cached_property

from fastpatent.errors import ConfigError
from fastpatent.models.clip.architecture import is_file, model_config

COUNTED_AT_ONCE = 4096


class Tokenizer:
    """open_clip's tokenizer of a model, made at the first text; it holds no network, so worker processes may have it.

    Args:
        name: of the model, see `fastpatent.models.clip.architecture.model_config`.

    Raises:
        ConfigError: at the first text, where the tokenizer is neither here nor to be had.
    """

    def __init__(self, name):
        self.name = name

    def __call__(self, texts):
        """Return int64 [texts, context] of a list of str; of a text longer than the context the end is cut off."""
        return self._tokenizer(texts)

    def count_truncated(self, texts):
        """Return how many of a list of str are longer than the context."""
        count, context = 0, self._tokenizer.context_length
        for start in range(0, len(texts), COUNTED_AT_ONCE):
            some = texts[start : start + COUNTED_AT_ONCE]
            # With room for one more token, the place of the mark that ends a cut text has a word.
            longer = self._tokenizer(some, context_length=context + 1)[:, :-1]
            count += (longer != self(some)).any(dim=1).sum().item()
        return count

    @cached_property
    def _tokenizer(self):
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
            raise ConfigError(f"MODEL.CLIP.NAME: the tokenizer of {self.name} cannot be had: {what}") from error
