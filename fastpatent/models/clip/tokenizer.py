"""Captions to tokens, by the tokenizer of an open_clip model."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fastpatent.downloads import check_download
from fastpatent.errors import ConfigError, shown
from fastpatent.models.clip.architecture import FOLDER, KEY, model_config

if TYPE_CHECKING:
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

COUNTED_AT_ONCE = 4096
OWN_WORDS = 49_408  # of the tokenizer that open_clip has itself
# Of `tokenizer_kwargs`; transformers takes others that name code to run, or files.
HARMLESS = {"clean", "strip_sep_token", "language"}
CODE = {".py", ".pkl", ".pickle"}  # suffixes


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
    def _tokenizer(self) -> "HFTokenizer | SimpleTokenizer":
        from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

        settings = model_config(self.name)["text_cfg"]
        options, source = settings.get("tokenizer_kwargs") or {}, settings.get("hf_tokenizer_name")
        if not isinstance(options, dict) or options.keys() - HARMLESS:
            allowed = ", ".join(sorted(HARMLESS))
            raise ConfigError(f"{KEY}: {self.name}: tokenizer_kwargs may name {allowed}, not {shown(options)}")
        if not source and (words := settings.get("vocab_size", OWN_WORDS)) < OWN_WORDS:
            raise ConfigError(f"{KEY}: {self.name}: vocab_size is {words}, and open_clip's tokenizer has {OWN_WORDS} words")
        options = {"context_length": settings.get("context_length", DEFAULT_CONTEXT_LENGTH), **options}
        if source:
            source = self.name.removeprefix(FOLDER) if self.name.startswith(FOLDER) else str(source)
            _check_source(self.name, source)
        try:
            if not source:
                return SimpleTokenizer(**options)
            # explicitly: without a value transformers asks the user, who cannot know
            return HFTokenizer(source, tokenizer_mode=settings.get("tokenizer_mode"), trust_remote_code=False, **options)
        except (OSError, RuntimeError, ValueError, TypeError, AttributeError, AssertionError, ImportError) as error:
            what = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(f"{KEY}: the tokenizer of {self.name} is not available: {what}") from error


def _check_source(name: str, source: str) -> None:
    """Raise ConfigError where the tokenizer of a model would be downloaded, or is in a folder with code or pickles."""
    folder = Path(source)
    if not folder.is_dir():
        return check_download(KEY, f"the tokenizer {source} of {name}")
    code = [path.name for path in folder.iterdir() if path.suffix.lower() in CODE or path.name == "vocab.bin"]
    if code:
        raise ConfigError(f"{KEY}: {name}: its tokenizer may have files of data only, not {min(code)}")
