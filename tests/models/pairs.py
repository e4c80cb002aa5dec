"""Small PatentCLIPs for tests, and open_clip's own models with the same description."""

import json
from pathlib import Path

import open_clip
import torch

from fastpatent.config import get_cfg

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
CAPTIONS = ["a chair", "a table lamp with a round shade", "a chair", "shoe sole", "bottle", "a very " * 20 + "long caption"]
IDENTITIES = torch.tensor([0, 1, 0, 2, 3, 3])


def write_pair(path, kind="vit", **settings):
    """Write the JSON file of a small open_clip model; return its path as a str."""
    text = {"context_length": 16, "width": 32, "heads": 2, "layers": 2}
    vision = {"image_size": SIDE, **VISION[kind]}
    Path(path).write_text(json.dumps({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, **settings}))
    return str(path)


def config(file, **keys):
    """Return the config of the PatentCLIP of a JSON file; keys with __ instead of dots."""
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.CLIP.NAME = "PatentCLIP", file
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = MEAN, STD
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [SIDE, SIDE]
    cfg.merge_from_list([item for key, value in keys.items() for item in (key.replace("__", "."), value)])
    return cfg


def theirs(file, folder):
    """Return open_clip's own model of a JSON file, with random weights."""
    settings = {"model_cfg": json.loads(Path(file).read_text()), "preprocess_cfg": {}}
    folder = folder / "open_clip"
    folder.mkdir(exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    torch.manual_seed(1)
    model = open_clip.create_model(f"local-dir:{folder}")
    if isinstance(model.visual, open_clip.timm_model.TimmModel):
        model.visual.set_input_size((SIDE, SIDE))
    return model


def drawings():
    """Return white images with ink up to the edge, and a white one."""
    images = torch.randint(0, 256, (BATCH, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = 255
    images[-1] = 255
    return images


def in_colour(images):
    """Return grey images as open_clip takes them: three channels, normalised."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (images.expand(-1, 3, -1, -1) - mean) / std


def gradients(model, images, tokens, seed=0):
    """Return {name: gradient} of one step, and the losses."""
    torch.manual_seed(seed)
    model.zero_grad()
    losses = model(images, IDENTITIES, None, tokens)
    sum(losses.values()).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, losses


def assert_same_gradients(one, two):
    """Compare two results of `gradients`, each parameter by its norm."""
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        assert (gradient - two[name]).norm() <= 1e-4 * gradient.norm() + 1e-7, name
