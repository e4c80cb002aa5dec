"""PatentCLIP: features, losses and gradients against open_clip's own, in one process and in two; its layers; compiled."""

import copy
from functools import partial

import open_clip
import pytest
import torch
import torch.distributed as dist

from fastpatent.device import Precision
from fastpatent.distributed import share_gradients
from fastpatent.engine.compiling import compile_backbones
from fastpatent.engine.ema import WeightAverage
from fastpatent.engine.optimizer import build_optimizer
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.models import build_model
from fastpatent.models.clip.grey_conv import Widen
from fastpatent.models.weights import load_weights
from tests.forked import in_two_processes
from tests.models.pairs import (
    BATCH,
    CAPTIONS,
    IDENTITIES,
    SIDE,
    VISION,
    VIT,
    assert_same_gradients,
    config,
    drawings,
    gradients,
    in_colour,
    theirs,
)

FOLDED = {"vit", "patch dropout", "resnet", "timm vit", "timm convnext"}
LOSSES = ("clip", "siglip")


@pytest.mark.parametrize("kind, custom_text", [*((kind, False) for kind in VISION), ("vit", True), ("timm vit", True)])
def test_features_are_those_of_open_clip(kind, custom_text, pair_file, tmp_path):
    file = pair_file(kind, custom_text=custom_text)
    reference = theirs(file, tmp_path).eval()
    model = build_model(config(file))
    assert (type(model.widen) is not Widen) == (kind in FOLDED)
    report = load_weights(model, {f"module.{name}": value for name, value in reference.state_dict().items()})
    assert not report.missing and not report.unexpected and not report.reshaped
    model.eval()
    images, tokens = drawings(), model.tokenize(CAPTIONS)
    with torch.no_grad():
        found, expected = model(images), reference.encode_image(in_colour(images), normalize=True)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        found, expected = model.embed_texts(tokens), reference.encode_text(tokens, normalize=True)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_our_weights_are_open_clips(pair_file, tmp_path):
    file = pair_file(custom_text=True)
    reference = theirs(file, tmp_path)
    model = build_model(config(file)).eval()
    reference.load_state_dict(model.state_dict())
    expected = reference.eval().encode_image(in_colour(drawings()), normalize=True)
    torch.testing.assert_close(model(drawings()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradients_are_those_of_open_clip(kind, loss, pair_file, tmp_path):
    bias = {"init_logit_bias": -10.0} if loss == "siglip" else {}
    file = pair_file(kind, custom_text=True, **bias)
    reference = theirs(file, tmp_path).train()
    model = build_model(config(file, MODEL__CLIP__LOSS=loss))
    model.load_state_dict(reference.state_dict())
    images, tokens = drawings(), model.tokenize(CAPTIONS)
    losses = model(images, None, None, tokens)  # labels are for shared pairs only
    losses[f"loss_{loss}"].backward()
    criterion = open_clip.ClipLoss() if loss == "clip" else open_clip.loss.SigLipLoss()
    expected = criterion(*reference(in_colour(images), tokens))
    expected.backward()
    torch.testing.assert_close(losses, {f"loss_{loss}": expected}, rtol=1e-5, atol=1e-6)
    for (name, one), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_patents_and_classes_share_captions(pair_file):
    """The order of the texts of a patent has no effect if all of them are positive, and one if only pairs are."""
    order = torch.tensor([2, 1, 0, 3, 5, 4])
    for loss in LOSSES:
        for positives, same in (("pair", False), ("identity", True), ("class", True)):
            model = build_model(config(pair_file(), MODEL__CLIP__LOSS=loss, MODEL__CLIP__POSITIVES=positives))
            tokens = model.tokenize([f"text {number}" for number in range(BATCH)])
            with torch.no_grad():
                first, second = (model(drawings(), IDENTITIES, None, texts) for texts in (tokens, tokens[order]))
            assert torch.isclose(*first.values(), *second.values(), rtol=1e-5) == same, (loss, positives)


def test_exactly_the_trainable_parameters_have_a_gradient(pair_file):
    for loss in LOSSES:
        for lock in ([], ["image"], ["text"], ["image", "text"]):
            model = build_model(config(pair_file(init_logit_bias=-3.0), MODEL__CLIP__LOSS=loss, MODEL__CLIP__LOCK=lock))
            found, _ = gradients(model, drawings(), model.tokenize(CAPTIONS))
            trainable = {name for name, p in model.named_parameters() if p.requires_grad}
            assert trainable == found.keys() == {
                name
                for name in model.state_dict()
                if not (name.startswith("visual.") and "image" in lock or name.startswith("text.") and "text" in lock)
                and not (name == "logit_bias" and loss == "clip")
            }, (loss, lock)  # fmt: skip
            assert all(gradient.any() for gradient in found.values()), (loss, lock)


def test_a_locked_tower_stays_in_evaluation_mode(pair_file):
    for kind in ("resnet", "patch dropout"):
        model = build_model(config(pair_file(kind), MODEL__CLIP__LOCK=["image"]))
        model.eval()
        before = {name: value.clone() for name, value in model.visual.state_dict().items()}
        expected = model(drawings())
        model.train()
        model(drawings(), IDENTITIES, None, model.tokenize(CAPTIONS))
        torch.testing.assert_close(model.embed_images(drawings()), expected)
        assert all(torch.equal(before[name], value) for name, value in model.visual.state_dict().items()), kind
        assert model.text.training and model.training


def test_recomputed_layers_have_the_same_gradients(pair_file):
    model = build_model(config(pair_file()))
    tokens = model.tokenize(CAPTIONS)
    expected, _ = gradients(model, drawings(), tokens)
    again = build_model(config(pair_file(), MODEL__CLIP__CHECKPOINTING=True))
    again.load_state_dict(model.state_dict())
    assert again.visual.transformer.grad_checkpointing and again.text.transformer.grad_checkpointing
    assert_same_gradients(expected, gradients(again, drawings(), tokens)[0])


def test_the_scale_is_clamped(pair_file):
    for loss in LOSSES:
        model = build_model(config(pair_file(), MODEL__CLIP__LOSS=loss))
        tokens = model.tokenize(CAPTIONS)
        for start, bound in ((9.0, 100.0), (-2.0, 1.0)):
            model.logit_scale.data.fill_(start)
            found, _ = gradients(model, drawings(), tokens)
            torch.testing.assert_close(model.logit_scale.exp().item(), bound)
            assert found["logit_scale"] != 0  # it can come back


def test_bfloat16_autocast_is_near_float32(pair_file):
    model = build_model(config(pair_file()))
    tokens = model.tokenize(CAPTIONS)
    expected = model(drawings(), IDENTITIES, None, tokens)["loss_clip"]
    with torch.autocast("cpu", torch.bfloat16):
        found = model(drawings(), IDENTITIES, None, tokens)["loss_clip"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.eval()(drawings()).dtype == torch.float32


SHARED_LOSSES = (
    {"MODEL__CLIP__LOSS": "clip"},
    {"MODEL__CLIP__LOSS": "siglip", "MODEL__CLIP__POSITIVES": "identity", "MODEL__CLIP__CHUNK": 2},
)


def one_of_two(rank, folder, file):
    """Save the gradients and the loss of each of SHARED_LOSSES in this process, which has half of the batch."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    half = slice(3 * rank, 3 * rank + 3)
    results = []
    for keys in SHARED_LOSSES:
        torch.manual_seed(0)
        model = build_model(config(file, **keys))
        parallel = share_gradients(model)
        loss = sum(parallel(drawings()[half], IDENTITIES[half], None, model.tokenize(CAPTIONS)[half]).values())
        loss.backward()
        results.append(({name: p.grad for name, p in model.named_parameters() if p.grad is not None}, loss.detach()))
    torch.save(results, f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(pair_file, tmp_path):
    in_two_processes(one_of_two, tmp_path, pair_file())
    two = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    for number, keys in enumerate(SHARED_LOSSES):
        torch.manual_seed(0)
        model = build_model(config(pair_file(), **keys))
        expected, losses = gradients(model, drawings(), model.tokenize(CAPTIONS))
        for found, loss in (results[number] for results in two):
            torch.testing.assert_close(loss, *losses.values(), rtol=1e-5, atol=0)
            assert_same_gradients(expected, found)


def test_scale_and_bias_are_averaged_with_the_weights(pair_file):
    model = build_model(config(pair_file(), MODEL__CLIP__LOSS="siglip"))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    average.update(100)
    for name, value in average.state_dict().items():
        torch.testing.assert_close(value, start[name] + 0.5, msg=name)
    assert {"logit_scale", "logit_bias"} <= start.keys()


def test_learning_rates_decay_from_the_output_of_each_tower(pair_file):
    cfg = config(pair_file(), SOLVER__OPT="AdamW", SOLVER__BASE_LR=1.0, SOLVER__LAYER_DECAY=0.5)
    model = build_model(cfg)
    rates = {p: group["lr"] for group in build_optimizer(cfg, model).param_groups for p in group["params"]}
    found = {name: rates[p] for name, p in model.named_parameters()}
    expected = {
        "visual.conv1.weight": 0.0625, "visual.transformer.resblocks.0.mlp.c_fc.weight": 0.125,
        "visual.transformer.resblocks.1.mlp.c_fc.weight": 0.25, "visual.proj": 0.5,
        "text.token_embedding.weight": 0.0625, "text.transformer.resblocks.0.ln_1.weight": 0.125,
        "text.transformer.resblocks.1.ln_1.weight": 0.25, "text.text_projection": 0.5,
        "logit_scale": 1.0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


@pytest.mark.slow
def test_compiled_towers_give_the_same_features(pair_file, monkeypatch):
    """Without code generation, which takes a minute; tests of engine compile with it."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = build_model(config(pair_file())).eval()
    plain, tokens = copy.deepcopy(model), model.tokenize(CAPTIONS)
    images = drawings()
    assert compile_backbones(model, (BATCH, 1, SIDE, SIDE), torch.device("cpu"), Precision(torch.float32, ""))
    assert all(tower._compiled_call_impl for tower in (model.visual, model.text))
    with torch.no_grad():
        torch.testing.assert_close(model.embed_images(images), plain.embed_images(images))
        torch.testing.assert_close(model.embed_texts(tokens), plain.embed_texts(tokens))
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_a_checkpoint_of_another_tower_is_refused(pair_file):
    state = build_model(config(pair_file())).state_dict()
    vision = {**VIT, "image_size": SIDE}
    for change, message in (
        ({"vision_cfg": {**vision, "patch_size": 4}}, r"visual.conv1.weight is \[32, 3, 8, 8\] .* \[32, 3, 4, 4\]"),
        ({"vision_cfg": {**vision, "layers": 3}}, "visual.transformer.*is missing in the file"),
        ({"vision_cfg": {**vision, "layers": 1}}, "visual.transformer.*without a place here"),
        ({"text_cfg": {"context_length": 9, "width": 32, "heads": 2, "layers": 2}}, "text.positional_embedding"),
        ({"vision_cfg": {**vision, "width": 512}}, "belongs to another network"),
    ):
        other = build_model(config(pair_file(name="other", **change)))
        before = copy.deepcopy(other.state_dict())
        with pytest.raises(CheckpointError, match=message):
            load_weights(other, state)
        assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_weights_of_another_image_size(pair_file, tmp_path):
    """open_clip interpolates the table of positions in the same way."""
    file = pair_file(custom_text=True)
    reference = theirs(file, tmp_path)
    model = build_model(config(file, INPUT__SIZE_TRAIN=[48, 64], INPUT__SIZE_TEST=[48, 64]))
    report = load_weights(model, reference.state_dict())
    assert [row.name for row in report.reshaped] == ["visual.positional_embedding"]
    state = reference.state_dict()
    open_clip.model.resize_pos_embed(state, model)
    torch.testing.assert_close(model.visual.positional_embedding.data, state["visual.positional_embedding"])
    assert model.eval()(torch.zeros(2, 1, 48, 64, dtype=torch.uint8)).shape == (2, 16)


def test_chunks_of_a_tower_that_normalises_over_the_batch_are_refused(pair_file):
    with pytest.raises(ConfigError, match="MODEL.CLIP.CHUNK: the visual tower normalises over the batch"):
        build_model(config(pair_file("resnet"), MODEL__CLIP__CHUNK=2))
    build_model(config(pair_file("resnet"), MODEL__CLIP__CHUNK=2, MODEL__CLIP__LOCK=["image"]))


def test_two_image_sizes_are_refused(pair_file):
    with pytest.raises(ConfigError, match="INPUT.SIZE_TEST: .* accepts one size"):
        build_model(config(pair_file(), INPUT__SIZE_TEST=[64, 64]))
