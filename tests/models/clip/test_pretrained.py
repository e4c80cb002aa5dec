"""Published weights of PatentCLIP from files of every origin."""

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from fastpatent.downloads import ALLOWED
from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from fastpatent.models.clip import pretrained
from fastpatent.models.clip.pretrained import pretrained_file
from tests.models.pairs import CAPTIONS, MEAN, STD, config, theirs


def saved(model, path, kind):
    """Write weights as open_clip, its hub and our trainer do; return the path."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    if kind == "epoch.pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path / kind)
    elif kind == "model.safetensors":
        save_file(state, path / kind)
    else:
        torch.save({"model": state} if kind == "model_best.pth" else state, path / kind)
    return str(path / kind)


def test_pretrained_files_of_every_origin(pair_file, tmp_path):
    file = pair_file()
    ours, open_clips = build_model(config(file)).eval(), theirs(file, tmp_path).eval()
    tokens = ours.tokenize(CAPTIONS)
    expected = open_clips.encode_text(tokens, normalize=True)
    for kind in ("epoch.pt", "model.safetensors", "open_clip_pytorch_model.bin", "model_best.pth"):
        reference = ours if kind == "model_best.pth" else open_clips
        model = build_model(config(file, MODEL__CLIP__PRETRAINED=saved(reference, tmp_path, kind))).eval()
        assert model.pretrained, kind
        features = reference.embed_texts(tokens) if reference is ours else expected
        torch.testing.assert_close(model.embed_texts(tokens), features, msg=kind)
        assert torch.equal(model.visual.conv1.weight, reference.visual.conv1.weight), kind


def test_a_sigmoid_does_not_start_from_the_scale_of_a_softmax(pair_file, tmp_path):
    file = pair_file()
    reference = theirs(file, tmp_path)
    reference.logit_scale.data.fill_(4.6)
    keys = {"MODEL__CLIP__PRETRAINED": saved(reference, tmp_path, "epoch.pt"), "MODEL__CLIP__LOSS": "siglip"}
    model = build_model(config(file, **keys))
    torch.testing.assert_close(model.logit_scale.exp().item(), 10.0)
    assert model.logit_bias == -10 and model.logit_bias.requires_grad
    assert torch.equal(model.visual.conv1.weight, reference.visual.conv1.weight)


def test_a_name_that_is_neither_a_file_nor_a_tag_is_refused(pair_file):
    with pytest.raises(ConfigError, match="MODEL.CLIP.PRETRAINED: 'no_such.pt' is neither a file nor a tag of"):
        build_model(config(pair_file(), MODEL__CLIP__PRETRAINED="no_such.pt"))
    with pytest.raises(ConfigError, match="'opena' is neither .* of ViT-B-32; did you mean openai"):
        pretrained_file("ViT-B-32", "opena")


def test_tags_and_models_of_the_hub_are_downloaded(monkeypatch):
    monkeypatch.setenv(ALLOWED, "1")
    asked = []
    monkeypatch.setattr(open_clip, "download_pretrained", lambda settings: asked.append(settings["hf_hub"]) or "tag.pt")
    monkeypatch.setattr("open_clip.pretrained.download_pretrained_from_hf", lambda name: asked.append(name) or "hub.pt")
    assert pretrained_file("ViT-B-32", "openai") == "tag.pt"
    assert pretrained_file("ViT-B-32", "hf-hub:someone/model") == "hub.pt"
    assert asked == [open_clip.get_pretrained_cfg("ViT-B-32", "openai")["hf_hub"], "someone/model"]

    def offline(name):
        raise OSError("no network\nand a long trace")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained_from_hf", offline)
    with pytest.raises(
        ConfigError, match=r"MODEL.CLIP.PRETRAINED: hf-hub:someone/model could not be downloaded: no network$"
    ):
        pretrained_file("ViT-B-32", "hf-hub:someone/model")


def test_pixels_of_another_mean_than_in_pretraining_are_reported(pair_file, tmp_path, monkeypatch, caplog):
    file = pair_file()
    path = saved(theirs(file, tmp_path), tmp_path, "epoch.pt")
    monkeypatch.setattr(pretrained, "pretrained_file", lambda name, tag: path)
    for settings, mean, expected in (
        ({"url": "x"}, MEAN, ""),  # of OpenAI where the tag has none
        ({"url": "x"}, [255.0], "MODEL.PIXEL_MEAN: tag was trained with [122.77, 116.75, 104.09]"),
        ({"mean": (0.5, 0.5, 0.5)}, [127.5], ""),
        ({"mean": (0.5, 0.5, 0.5)}, MEAN, "MODEL.PIXEL_MEAN: tag was trained with [127.50, 127.50, 127.50]"),
    ):
        monkeypatch.setattr(pretrained, "tag_settings", lambda name, tag: settings)
        caplog.clear()
        std = STD[: len(mean)]
        build_model(config(file, MODEL__CLIP__PRETRAINED="tag", MODEL__PIXEL_MEAN=mean, MODEL__PIXEL_STD=std))
        assert [record.getMessage() for record in caplog.records] == ([expected] if expected else [])
