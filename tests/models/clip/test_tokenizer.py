"""Tokens of captions, and the number of those that are truncated."""

import pickle

import open_clip
import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.downloads import ALLOWED
from fastpatent.errors import ConfigError
from fastpatent.models import TOKENIZERS, build_model, build_tokenizer
from fastpatent.models.clip.tokenizer import Tokenizer
from tests.models.pairs import CAPTIONS, config


def test_networks_with_a_text_tower_have_a_tokenizer(pair_file):
    assert TOKENIZERS.names() == ["PatentCLIP"]
    cfg = config(pair_file())
    expected = open_clip.SimpleTokenizer(context_length=16)(CAPTIONS)
    for tokenize in (build_tokenizer(cfg), build_model(cfg).tokenize, pickle.loads(pickle.dumps(build_tokenizer(cfg)))):
        tokens = tokenize(CAPTIONS)
        assert tokens.dtype == torch.int64 and torch.equal(tokens, expected)
    assert build_tokenizer(get_cfg()) is None


def test_a_named_model_has_its_own_tokenizer():
    assert torch.equal(Tokenizer("ViT-B-32")(CAPTIONS), open_clip.get_tokenizer("ViT-B-32")(CAPTIONS))


def test_captions_over_the_context_are_truncated_and_counted(pair_file):
    tokenize = Tokenizer(pair_file())
    assert tokenize.count_truncated(CAPTIONS) == 1
    words = ["lamp " * number for number in (13, 14, 15, 16)]  # one token per word, and two for start and end
    assert tokenize.count_truncated(words * 1500) == 3000
    assert [tokenize.count_truncated([text]) for text in words] == [0, 0, 1, 1]
    tokens = tokenize(words)
    assert tokens.shape == (4, 16) and torch.equal(tokens[1], tokens[2])


def test_a_tokenizer_that_is_not_available_is_an_error(pair_file, monkeypatch):
    monkeypatch.setenv(ALLOWED, "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = {"context_length": 16, "hf_tokenizer_name": "no/such"}
    with pytest.raises(ConfigError, match="MODEL.CLIP.NAME: the tokenizer of .* is not available: "):
        Tokenizer(pair_file(text_cfg=text))(CAPTIONS)
