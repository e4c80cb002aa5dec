"""Networks as ONNX files, run by onnxruntime, against the network itself."""

import importlib.util

import numpy as np
import pytest
import timm
import torch
from torch import nn

from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError, FastPatentError
from fastpatent.layers.gem import GeneralizedMeanPoolingP
from fastpatent.layers.ibn import IBN
from fastpatent.layers.non_local import NonLocal
from fastpatent.models import build_model, export
from fastpatent.models.export import any_image, export_onnx, fitted_images, random_drawings

pytestmark = pytest.mark.slow

onnxruntime = pytest.importorskip("onnxruntime", reason="fastpatent[export] is not installed")
pytest.importorskip("onnxscript", reason="fastpatent[export] is not installed")


class GreyNetwork(nn.Module):
    """Layers from grey images to features."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        return self.layers(images.to(next(self.parameters()).dtype) / 255).flatten(1)


def ibn_non_local():
    """The layers of a ResNet-101-IBN with non-local blocks, none of them an identity."""
    torch.manual_seed(0)
    block = NonLocal(8)
    nn.init.normal_(block.W[1].weight)
    norm = IBN(8)
    norm.BN.running_mean.normal_()
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return GreyNetwork(nn.Conv2d(1, 8, 3, padding=1), norm, nn.ReLU(), pool, block, GeneralizedMeanPoolingP(2.5)).eval()


def swin():
    torch.manual_seed(0)
    return GreyNetwork(
        timm.models.SwinTransformerV2(
            img_size=32, in_chans=1, num_classes=0, window_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4)
        )
    ).eval()


def baseline(**keys):
    torch.manual_seed(0)
    cfg = get_cfg()
    cfg.merge_from_list([word for key, value in keys.items() for word in (f"MODEL.{key.replace('__', '.')}", value)])
    cfg.MODEL.HEADS.NUM_CLASSES = 3
    return build_model(cfg).eval()


def export_fitted(model, path, size, any_size=False, **settings):
    """Export a network of images that are fitted already; the truth is the network."""
    return export_onnx(
        model, path, fitted_images(size, any_size), lambda images: model(torch.from_numpy(images)), **settings
    )


NETWORKS = {
    "swinv2": swin,
    "resnet": lambda: baseline(
        BACKBONE__DEPTH="18x", BACKBONE__WITH_IBN=True, HEADS__WITH_BNNECK=True, HEADS__POOL_LAYER="GeneralizedMeanPooling"
    ),
    "vit": lambda: baseline(BACKBONE__NAME="timm", BACKBONE__TIMM_NAME="test_vit"),
    "efficientnet": lambda: baseline(BACKBONE__NAME="timm", BACKBONE__TIMM_NAME="test_efficientnet"),
}
SIZES = {"swinv2": (32, 32), "vit": (160, 160)}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_gives_the_features_of_the_network_for_any_batch(name, tmp_path):
    model, size, path = NETWORKS[name](), SIZES.get(name, (32, 48)), tmp_path / "m.onnx"
    assert export_fitted(model, path, size, metadata={"weights": "abc"}) > 0.9999
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map["weights"] == "abc"
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("images", "tensor(uint8)", [1, *size])
    for batch in (1, 5):
        images = np.random.default_rng(batch).integers(0, 256, (batch, 1, *size), dtype=np.uint8)
        (found,) = session.run(["features"], {"images": images})
        with torch.no_grad():
            truth = model(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-5 * np.abs(truth).max())


def test_a_convolutional_network_may_take_images_of_any_size(tmp_path):
    model = ibn_non_local()
    assert export_fitted(model, tmp_path / "m.onnx", (32, 32), any_size=True) > 0.9999
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    model.double()
    for shape in ((1, 1, 32, 32), (5, 1, 32, 48), (3, 1, 50, 41)):
        images = random_drawings(np.random.default_rng(4), shape)
        with torch.no_grad():
            truth = model(torch.from_numpy(images)).numpy()
        found = session.run(None, {"images": images})[0]
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-5 * np.abs(truth).max(), err_msg=str(shape))


class Differs(nn.Module):
    def forward(self, images):
        features = images.float().flatten(1)
        return features + (30 * torch.arange(features.shape[1]) if torch.compiler.is_exporting() else 0)


class Depends(nn.Module):
    def forward(self, images):
        return images.float().flatten(1) * (2 if images.sum() > 3 else 1)


def test_a_file_with_other_features_is_not_written(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("an older file")
    different = r"least cosine 0\.\d+ at \[1, 1, 8, 8\], 0.* at \[7"
    for model, message in ((Differs(), different), (Depends(), "cannot be exported")):
        with pytest.raises(FastPatentError, match=f"m.onnx: not written, .*{message}") as error:
            export_fitted(model.eval(), path, (8, 8))
        assert "\n" not in str(error.value)
        assert [entry.read_text() for entry in tmp_path.iterdir()] == ["an older file"]


def test_a_file_that_gives_nan_for_one_batch_size_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "least_cosine", lambda truth, path, taken: {(1, 1, 8, 8): 1.0, (7, 1, 8, 8): float("nan")})
    with pytest.raises(FastPatentError, match=r"not written, .* nan at \[7"):
        export_fitted(GreyNetwork(nn.Conv2d(1, 2, 3)).eval(), tmp_path / "m.onnx", (8, 8))
    assert not list(tmp_path.iterdir())


def test_a_model_too_large_for_one_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 10)
    with pytest.raises(FastPatentError, match="m.onnx: .* GiB of weights"):
        export_fitted(GreyNetwork(nn.Conv2d(1, 2, 3)).eval(), tmp_path / "m.onnx", (8, 8))
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    with pytest.raises(ConfigError, match=r"needs onnxscript: pip install 'fastpatent\[export\]'"):
        export_fitted(Depends(), tmp_path / "m.onnx", (8, 8))


class InkPerRow(nn.Module):
    def forward(self, image):
        return image.float().sum(1)[:2]


def test_features_of_an_image_of_any_size_are_compared_with_those_computed_another_way(tmp_path):
    path, taken = tmp_path / "m.onnx", any_image((8, 6))
    assert str(taken) == "image uint8 [height, width]" and len(set(taken.compared)) == len(taken.compared) > 3
    assert export_onnx(InkPerRow(), path, taken, lambda image: torch.from_numpy(image.astype(float).sum(1)[:2])) > 0.9999
    with pytest.raises(FastPatentError, match=r"not written, .* 0\.\d+ at \[72, 6\]"):
        export_onnx(InkPerRow(), path, taken, lambda image: torch.tensor([1.0, 20.0]))


def test_random_drawings_differ_and_have_ink():
    drawings = random_drawings(np.random.default_rng(0), (3, 1, 40, 30))
    assert set(np.unique(drawings)) == {0, 255}
    ink = (drawings == 0).mean(axis=(1, 2, 3))
    assert ((ink > 0.05) & (ink < 0.9)).all() and not np.array_equal(drawings[0], drawings[1])
