"""Names and sizes of open_clip models that cannot be built."""

import json

import pytest

from fastpatent.errors import ConfigError
from fastpatent.models.clip.architecture import create_pair, model_config


def test_models_that_cannot_be_built_are_refused_in_one_sentence(pair_file, tmp_path):
    (tmp_path / "vision.json").write_text('{"embed_dim": 16, "vision_cfg": {}}')
    (tmp_path / "list.json").write_text("[]")
    resnet = pair_file("resnet", "resnet")
    heads = pair_file(name="heads", text_cfg={"context_length": 16, "width": 32, "heads": 5, "layers": 2})
    unknown = pair_file(name="unknown", vision_cfg={"timm_model_name": "no_such_model"})
    for name, size, message in (
        ("ViT-B-23", (32, 32), r"MODEL.CLIP.NAME: open_clip has no model 'ViT-B-23'; did you mean ViT-B-32\?"),
        ("xyz", (32, 32), r"open_clip has no model 'xyz'; see `open_clip.list_models\(\)`"),
        ("no_such.json", (32, 32), "MODEL.CLIP.NAME: no_such.json cannot be read"),
        (str(tmp_path / "vision.json"), (32, 32), "it has no text_cfg"),
        (str(tmp_path / "list.json"), (32, 32), "it has no embed_dim, vision_cfg, text_cfg"),
        ("coca_ViT-B-32", (32, 32), "MODEL.CLIP.NAME: coca_ViT-B-32 also writes captions"),
        (heads, (32, 32), r"heads.json cannot be built for images of 32 x 32: \w"),
        (unknown, (32, 32), r"unknown.json: timm has no model 'no_such_model'"),
        (pair_file(), (36, 32), "INPUT.SIZE_TRAIN: patches of 8 x 8 .* do not divide images of 36 x 32"),
        (resnet, (64, 32), "INPUT.SIZE_TRAIN: .* takes squares of a multiple of 32, not 64 x 32"),
        (resnet, (48, 48), "takes squares of a multiple of 32, not 48 x 48"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            create_pair(name, size)
        assert "\n" not in str(caught.value), name


def test_a_configuration_may_be_under_model_cfg(pair_file, tmp_path):
    settings = model_config(pair_file())
    (tmp_path / "hub.json").write_text(json.dumps({"model_cfg": settings, "preprocess_cfg": {}}))
    assert model_config(str(tmp_path / "hub.json")) == settings
