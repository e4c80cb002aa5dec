"""PatentCLIP: features, losses and gradients against open_clip's own, in one process and in two, whole and in chunks."""

import copy
import json
import weakref

import open_clip
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from fastpatent.config import get_cfg
from fastpatent.engine.ema import WeightAverage
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.models import build_model
from fastpatent.models.clip.grey_conv import GreyConv2d, Widen
from fastpatent.models.clip.pretrained import interpolated, move_towards_pretrained
from fastpatent.models.weights import load_weights

MEAN, STD = ([255 * v for v in values] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
SIDE, BATCH = 32, 6
VIT = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
VISION = {
    "vit": VIT,
    "patch dropout": {**VIT, "patch_dropout": 0.5},
    "resnet": {"layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
    "timm vit": {"timm_model_name": "test_vit", "timm_pool": "token"},
    "timm convnext": {"timm_model_name": "test_convnext", "timm_pool": "avg"},
    "timm fastvit": {"timm_model_name": "fastvit_t8", "timm_pool": "avg"},
}
FOLDED = {"vit", "patch dropout", "resnet", "timm vit", "timm convnext"}
CAPTIONS = ["a chair", "a table lamp with a round shade", "a chair", "shoe sole", "bottle", "a very " * 20 + "long caption"]
IDENTITIES = torch.tensor([0, 1, 0, 2, 3, 3])


@pytest.fixture
def pair_file(tmp_path):
    """Function of the kind of image tower and further settings: the JSON file of a small open_clip model."""

    def write(kind="vit", name="pair", **settings):
        text = {"context_length": 16, "width": 32, "heads": 2, "layers": 2}
        vision = {"image_size": SIDE, **VISION[kind]}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, **settings}))
        return str(path)

    return write


def config(file, **keys):
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.CLIP.NAME = "PatentCLIP", file
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = MEAN, STD
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [SIDE, SIDE]
    cfg.merge_from_list([item for key, value in keys.items() for item in (key.replace("__", "."), value)])
    return cfg


def theirs(file, tmp_path):
    """open_clip's own model of a JSON file, with random weights."""
    settings = {"model_cfg": json.loads(open(file).read()), "preprocess_cfg": {}}
    folder = tmp_path / "open_clip"
    folder.mkdir(exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    torch.manual_seed(1)
    model = open_clip.create_model(f"local-dir:{folder}")
    if isinstance(model.visual, open_clip.timm_model.TimmModel):
        model.visual.set_input_size((SIDE, SIDE))
    return model


def drawings():
    """White sheets with ink up to the edge, and one without."""
    images = torch.randint(0, 256, (BATCH, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = 255
    images[-1] = 255
    return images


def in_colour(images):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (images.expand(-1, 3, -1, -1) - mean) / std


@pytest.mark.parametrize("custom_text", [False, True])
@pytest.mark.parametrize("kind", VISION)
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


def test_one_mean_serves_three_channels(pair_file):
    file = pair_file()
    model = build_model(config(file, MODEL__PIXEL_MEAN=[120.0], MODEL__PIXEL_STD=[60.0])).eval()
    plain = copy.deepcopy(model)
    plain.visual.conv1 = torch.nn.Conv2d(3, 32, 8, 8, bias=False)
    plain.visual.conv1.weight = model.visual.conv1.weight
    with torch.no_grad():
        expected = plain.visual((drawings().float().expand(-1, 3, -1, -1) - 120) / 60)
        torch.testing.assert_close(model.visual(drawings()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1])
def test_the_folded_convolution_is_no_worse_in_bfloat16(padding):
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 64, 8, 4, padding, bias=False)
    folded = GreyConv2d(conv, MEAN, STD)
    images = drawings().masked_fill(torch.rand(BATCH, 1, SIDE, SIDE) > 0.1, 255)  # ink is rare
    with torch.no_grad():
        exact = conv(in_colour(images))
        with torch.autocast("cpu", torch.bfloat16):
            errors = [(found.float() - exact).abs().mean() for found in (folded(images), conv(in_colour(images)))]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_loss_and_gradients_are_those_of_open_clip(kind, loss, pair_file, tmp_path):
    bias = {"init_logit_bias": -10.0} if loss == "siglip" else {}
    file = pair_file(kind, custom_text=True, **bias)
    reference = theirs(file, tmp_path).train()
    model = build_model(config(file, MODEL__CLIP__LOSS=loss))
    model.load_state_dict(reference.state_dict())
    images, tokens = drawings(), model.tokenize(CAPTIONS)
    losses = model(images, IDENTITIES, None, tokens)
    losses[f"loss_{loss}"].backward()
    criterion = open_clip.ClipLoss() if loss == "clip" else open_clip.loss.SigLipLoss()
    expected = criterion(*reference(in_colour(images), tokens))
    expected.backward()
    torch.testing.assert_close(losses, {f"loss_{loss}": expected}, rtol=1e-5, atol=1e-6)
    for (name, one), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def gradients(model, images, tokens, seed=0):
    """Return {name: gradient} of one step, and the loss."""
    torch.manual_seed(seed)
    model.zero_grad()
    losses = model(images, IDENTITIES, None, tokens)
    sum(losses.values()).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, losses


def assert_same_gradients(one, two):
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        assert (gradient - two[name]).norm() <= 1e-4 * gradient.norm() + 1e-7, name


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_patents_and_classes_share_captions(loss, pair_file):
    """Texts in another order within a patent change nothing where all of the patent are right, and something for pairs."""
    order = torch.tensor([2, 1, 0, 3, 5, 4])
    for positives, same in (("pair", False), ("identity", True), ("class", True)):
        model = build_model(config(pair_file(), MODEL__CLIP__LOSS=loss, MODEL__CLIP__POSITIVES=positives))
        tokens = model.tokenize([f"text {number}" for number in range(BATCH)])
        _, first = gradients(model, drawings(), tokens)
        _, second = gradients(model, drawings(), tokens[order])
        assert torch.isclose(*first.values(), *second.values(), rtol=1e-5) == same


@pytest.mark.parametrize("loss", ["clip", "siglip"])
@pytest.mark.parametrize("lock", [[], ["image"], ["text"], ["image", "text"]])
def test_everything_that_learns_has_a_gradient_and_nothing_else(loss, lock, pair_file):
    model = build_model(config(pair_file(init_logit_bias=-3.0), MODEL__CLIP__LOSS=loss, MODEL__CLIP__LOCK=lock))
    found, _ = gradients(model, drawings(), model.tokenize(CAPTIONS))
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learns == found.keys() == {
        name
        for name in model.state_dict()
        if not (name.startswith("visual.") and "image" in lock or name.startswith("text.") and "text" in lock)
        and not (name == "logit_bias" and loss == "clip")
    }  # fmt: skip
    unmoved = {name for name, gradient in found.items() if not gradient.any()}
    assert unmoved <= {"text.positional_embedding"}  # its rows beyond the captions; never whole
    assert not unmoved


@pytest.mark.parametrize("kind", ["resnet", "patch dropout"])
def test_a_locked_tower_stays_in_evaluation(kind, pair_file):
    model = build_model(config(pair_file(kind), MODEL__CLIP__LOCK=["image"]))
    model.eval()
    before = {name: value.clone() for name, value in model.visual.state_dict().items()}
    expected = model(drawings())
    model.train()
    model(drawings(), IDENTITIES, None, model.tokenize(CAPTIONS))
    torch.testing.assert_close(model.embed_images(drawings()), expected)
    assert all(torch.equal(before[name], value) for name, value in model.visual.state_dict().items())
    assert model.text.training and model.training


@pytest.mark.parametrize("chunk", [1, 4, 5])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lock", [[], ["text"]])
def test_chunks_have_the_gradients_of_the_whole_batch(chunk, checkpointing, lock, pair_file):
    model = build_model(config(pair_file(), MODEL__CLIP__LOCK=lock, MODEL__CLIP__CHECKPOINTING=checkpointing))
    tokens = model.tokenize(CAPTIONS)
    expected, loss = gradients(model, drawings(), tokens)
    model.chunk = chunk
    found, chunked = gradients(model, drawings(), tokens)
    torch.testing.assert_close(chunked, loss, rtol=1e-5, atol=0)
    assert_same_gradients(expected, found)


def test_layers_recomputed_have_the_same_gradients(pair_file):
    model = build_model(config(pair_file()))
    tokens = model.tokenize(CAPTIONS)
    expected, _ = gradients(model, drawings(), tokens)
    again = build_model(config(pair_file(), MODEL__CLIP__CHECKPOINTING=True))
    again.load_state_dict(model.state_dict())
    assert again.visual.transformer.grad_checkpointing and again.text.transformer.grad_checkpointing
    assert_same_gradients(expected, gradients(again, drawings(), tokens)[0])


def test_a_chunk_computed_again_drops_the_same_patches(pair_file):
    model = build_model(config(pair_file("patch dropout"), MODEL__CLIP__CHUNK=2))
    tokens = model.tokenize(CAPTIONS)
    found, loss = gradients(model, drawings(), tokens)
    assert gradients(model, drawings(), tokens, seed=1)[1] != loss
    tower = model.visual.forward
    # The same chunks, with all that is between kept.
    model.chunk, model.visual.forward = 0, lambda images: torch.cat([tower(chunk) for chunk in images.split(2)])
    expected, kept = gradients(model, drawings(), tokens)
    assert torch.equal(*kept.values(), *loss.values())
    assert_same_gradients(expected, found)


class AliveBytes(TorchDispatchMode):
    """Counts the bytes of all storages made under it and still alive; `peak` is the most."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak, self._seen = 0, 0, set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self._seen:
                storage = tensor.untyped_storage()
                self._seen.add(storage._cdata)
                self.alive += storage.nbytes()
                self.peak = max(self.peak, self.alive)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return result

    def _free(self, place, size):
        self._seen.discard(place)
        self.alive -= size


def test_chunks_need_the_memory_of_one_of_them(pair_file):
    few_words = {"context_length": 16, "width": 32, "heads": 2, "layers": 2, "vocab_size": 8}
    model = build_model(config(pair_file(text_cfg=few_words)))
    images = drawings().repeat(16, 1, 1, 1)
    tokens = torch.randint(0, 8, (96, 16))

    def peak(chunk, count):
        model.chunk = chunk
        with AliveBytes() as counter:
            sum(model(images[:count], None, None, tokens[:count]).values()).backward()
        model.zero_grad()
        return counter.peak

    peak(0, 8)
    whole, chunked, alone = peak(0, 96), peak(8, 96), peak(0, 8)
    assert whole > 3 * alone
    assert chunked < 1.3 * alone


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_the_scale_is_held_within_its_bounds(loss, pair_file):
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
    """Save the gradients and the loss of each of SHARED_LOSSES that this process has for its half of the batch."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    half = slice(3 * rank, 3 * rank + 3)
    results = []
    for keys in SHARED_LOSSES:
        torch.manual_seed(0)
        model = build_model(config(file, **keys))
        parallel = DistributedDataParallel(model, broadcast_buffers=False)
        loss = sum(parallel(drawings()[half], IDENTITIES[half], None, model.tokenize(CAPTIONS)[half]).values())
        loss.backward()
        results.append(({name: p.grad for name, p in model.named_parameters() if p.grad is not None}, loss.detach()))
    torch.save(results, f"{folder}/{rank}.pth")
    dist.destroy_process_group()


def test_two_processes_have_the_gradients_of_one(pair_file, tmp_path):
    torch.multiprocessing.spawn(one_of_two, (tmp_path, pair_file()), nprocs=2)
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


def saved(model, path, kind):
    """Write weights as open_clip, its hub and our trainer do."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    if kind == "epoch.pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path / kind)
    elif kind == "model.safetensors":
        save_file(state, path / kind)
    else:
        torch.save({"model": state} if kind == "model_best.pth" else state, path / kind)
    return str(path / kind)


@pytest.mark.parametrize("kind", ["epoch.pt", "model.safetensors", "open_clip_pytorch_model.bin", "model_best.pth"])
def test_pretrained_files_of_every_origin(kind, pair_file, tmp_path):
    file = pair_file()
    reference = build_model(config(file)) if kind == "model_best.pth" else theirs(file, tmp_path)
    path = saved(reference, tmp_path, kind)
    model = build_model(config(file, MODEL__CLIP__PRETRAINED=path)).eval()
    tokens = model.tokenize(CAPTIONS)
    reference.eval()
    expected = reference.embed_texts(tokens) if kind == "model_best.pth" else reference.encode_text(tokens, normalize=True)
    torch.testing.assert_close(model.embed_texts(tokens), expected)
    assert torch.equal(model.visual.conv1.weight, reference.visual.conv1.weight)


def test_our_weights_are_open_clips(pair_file, tmp_path):
    file = pair_file(custom_text=True)
    reference = theirs(file, tmp_path)
    model = build_model(config(file)).eval()
    reference.load_state_dict(model.state_dict())
    expected = reference.eval().encode_image(in_colour(drawings()), normalize=True)
    torch.testing.assert_close(model(drawings()), expected, rtol=0, atol=1e-5)


def test_weights_of_another_size_of_drawings(pair_file, tmp_path):
    """open_clip's own interpolation of the table of positions; bicubic of both, so equal but for rounding."""
    file = pair_file(custom_text=True)
    reference = theirs(file, tmp_path)
    model = build_model(config(file, INPUT__SIZE_TRAIN=[48, 64], INPUT__SIZE_TEST=[48, 64]))
    report = load_weights(model, reference.state_dict())
    assert [row.name for row in report.reshaped] == ["visual.positional_embedding"]
    state = reference.state_dict()
    open_clip.model.resize_pos_embed(state, model)
    torch.testing.assert_close(model.visual.positional_embedding.data, state["visual.positional_embedding"])
    assert model.eval()(torch.zeros(2, 1, 48, 64, dtype=torch.uint8)).shape == (2, 16)


def test_a_sigmoid_starts_anew_from_weights_of_a_softmax(pair_file, tmp_path):
    file = pair_file()
    reference = theirs(file, tmp_path)
    reference.logit_scale.data.fill_(4.6)
    keys = {"MODEL__CLIP__PRETRAINED": saved(reference, tmp_path, "epoch.pt"), "MODEL__CLIP__LOSS": "siglip"}
    model = build_model(config(file, **keys))
    torch.testing.assert_close(model.logit_scale.exp().item(), 10.0)
    assert model.logit_bias == -10 and model.logit_bias.requires_grad
    assert torch.equal(model.visual.conv1.weight, reference.visual.conv1.weight)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"vision_cfg": {**VIT, "image_size": SIDE, "patch_size": 4}},
            r"visual.conv1.weight is \[32, 3, 8, 8\] .* \[32, 3, 4, 4\]",
        ),
        ({"vision_cfg": {**VIT, "image_size": SIDE, "layers": 3}}, r"visual.transformer.*is missing in the file"),
        ({"vision_cfg": {**VIT, "image_size": SIDE, "layers": 1}}, r"visual.transformer.*without a place here"),
        ({"text_cfg": {"context_length": 9, "width": 32, "heads": 2, "layers": 2}}, "text.positional_embedding"),
        ({"vision_cfg": {**VIT, "image_size": SIDE, "width": 512}}, "belongs to another network"),
    ],
)
def test_a_checkpoint_of_another_tower_is_refused(change, message, pair_file, tmp_path):
    path = saved(build_model(config(pair_file())), tmp_path, "model_best.pth")
    other = build_model(config(pair_file(name="other", **change)))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(CheckpointError, match=message):
        load_weights(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"MODEL__CLIP__NAME": "ViT-B-23"}, r"MODEL.CLIP.NAME: open_clip has no model 'ViT-B-23'; did you mean ViT-B-32\?"),
        ({"MODEL__CLIP__NAME": "no_such.json"}, "MODEL.CLIP.NAME: no_such.json cannot be read"),
        ({"MODEL__CLIP__NAME": "coca_ViT-B-32"}, "MODEL.CLIP.NAME: coca_ViT-B-32 also writes captions"),
        ({"MODEL__CLIP__PRETRAINED": "no_such.pt"}, "MODEL.CLIP.PRETRAINED: 'no_such.pt' is neither a file nor a tag"),
        ({"MODEL__PIXEL_MEAN": [1.0, 2.0]}, "MODEL.PIXEL_MEAN: 2 values"),
        ({"MODEL__CLIP__LOSS": "clib"}, r"MODEL.CLIP.LOSS: 'clib' is unknown; did you mean clip\?"),
        ({"MODEL__CLIP__LOCK": ["vision"]}, "MODEL.CLIP.LOCK: 'vision' is unknown"),
        ({"MODEL__CLIP__POSITIVES": "patent"}, "MODEL.CLIP.POSITIVES: 'patent' is unknown"),
        ({"INPUT__SIZE_TEST": [64, 64]}, "INPUT.SIZE_TEST: .* accepts one size"),
        ({"INPUT__SIZE_TRAIN": [36, 32], "INPUT__SIZE_TEST": [36, 32]}, "INPUT.SIZE_TRAIN: patches of 8 x 8"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(keys, message, pair_file):
    with pytest.raises(ConfigError, match=message) as caught:
        build_model(config(pair_file(), **keys))
    assert "\n" not in str(caught.value)


def test_chunks_of_a_tower_that_normalises_over_the_batch_are_refused(pair_file):
    with pytest.raises(ConfigError, match="MODEL.CLIP.CHUNK: the visual tower normalises over the batch"):
        build_model(config(pair_file("resnet"), MODEL__CLIP__CHUNK=2))
    build_model(config(pair_file("resnet"), MODEL__CLIP__CHUNK=2, MODEL__CLIP__LOCK=["image"]))


def test_a_file_that_describes_no_pair_is_refused(tmp_path):
    (tmp_path / "vision.json").write_text('{"embed_dim": 16, "vision_cfg": {}}')
    with pytest.raises(ConfigError, match="it has no text_cfg"):
        build_model(config(str(tmp_path / "vision.json")))


def test_captions_over_the_context_are_cut_and_counted(pair_file):
    tokenize = build_model(config(pair_file())).tokenize
    assert tokenize.count_truncated(CAPTIONS) == 1
    words = ["lamp " * number for number in (13, 14, 15, 16)]  # one token a word; two mark start and end
    assert tokenize.count_truncated(words * 3000) == 6000
    assert [tokenize.count_truncated([text]) for text in words] == [0, 0, 1, 1]
    tokens = tokenize(words)
    assert tokens.dtype == torch.int64 and tokens.shape == (4, 16)
    assert torch.equal(tokens[1], tokens[2])
    theirs = open_clip.SimpleTokenizer(context_length=16)
    assert torch.equal(tokenize(CAPTIONS), theirs(CAPTIONS))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_wise_ft_goes_from_the_pretrained_weights_to_the_trained(alpha, pair_file, tmp_path):
    file = pair_file("resnet")  # has numbers that count batches
    zero_shot = theirs(file, tmp_path)
    trained = build_model(config(file))
    trained.visual.bn1.num_batches_tracked += 5
    cfg = config(file, MODEL__CLIP__PRETRAINED=saved(zero_shot, tmp_path, "epoch.pt"), MODEL__WEIGHTS="trained.pth")
    cfg.TEST.WISE_FT = alpha
    model = build_model(cfg)
    assert not torch.equal(model.visual.conv1.weight, zero_shot.visual.conv1.weight)  # MODEL.WEIGHTS is to replace them
    model.load_state_dict(trained.state_dict())
    move_towards_pretrained(model, cfg)
    start = {name.removeprefix("visual."): value for name, value in zero_shot.state_dict().items()}
    for name, value in model.visual.state_dict().items():
        goal = trained.visual.state_dict()[name]
        expected = (1 - alpha) * start[name].double() + alpha * goal.double() if goal.is_floating_point() else goal
        torch.testing.assert_close(value.to(expected.dtype), expected, rtol=1e-6, atol=1e-7)
        if alpha in (0, 1) and goal.is_floating_point():
            assert torch.equal(value, goal if alpha else start[name])


def test_wise_ft_refuses_what_it_cannot_do(pair_file):
    model = build_model(config(pair_file()))
    with pytest.raises(ConfigError, match="TEST.WISE_FT: 1.5 is not between"):
        move_towards_pretrained(model, config(pair_file(), TEST__WISE_FT=1.5))
    with pytest.raises(ConfigError, match="MODEL.CLIP.PRETRAINED is empty"):
        move_towards_pretrained(model, config(pair_file(), TEST__WISE_FT=0.5))
    with pytest.raises(ValueError, match="one state only"):
        interpolated({"weight": torch.ones(1)}, {}, 0.5)
