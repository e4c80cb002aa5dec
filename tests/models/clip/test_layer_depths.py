"""The layers of a tower against the order in which a forward pass calls its modules."""

import pytest
import torch
from torch import nn

from fastpatent.models import build_model
from fastpatent.models.clip.layer_depths import tower_layer_depths
from tests.models.pairs import CAPTIONS, config, drawings

# Parameters that are not in a child module: before the first block, or after the last.
FIRST = {"class_embedding", "positional_embedding", "token_embedding"}
LAST = {"proj", "text_projection"}
LAYERS = {"vit": 4, "resnet": 6, "timm vit": 8, "timm convnext": None, "timm fastvit": None}  # None: not counted


def parameters_in_order(tower, call):
    """Return the names of parameters in the order in which their modules are first called."""
    names, hooks = [], []
    for path, module in tower.named_modules():
        own = [f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)]
        if path and own:
            hooks.append(module.register_forward_pre_hook(lambda *_, own=own: names.extend(own)))
    with torch.no_grad():
        call()
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("kind", LAYERS)
def test_depths_rise_from_the_input_to_the_output(kind, pair_file):
    model = build_model(config(pair_file(kind))).eval()
    calls = {
        "visual": lambda: model.embed_images(drawings()),
        "text": lambda: model.embed_texts(model.tokenize(CAPTIONS)),
    }
    for name, call in calls.items():
        tower = model.backbones[name]
        depths = model.layer_depths(name)
        assert depths == tower_layer_depths(tower)
        assert depths.keys() == dict(tower.named_parameters()).keys()
        order = parameters_in_order(tower, call)
        assert len(order) > 0.6 * len(depths)
        found = [depths[parameter] for parameter in order]
        assert found == sorted(found), name
        assert set(depths.values()) == set(range(max(depths.values()) + 1))
        assert all(depths[parameter] == 0 for parameter in FIRST & depths.keys())
        assert all(depths[parameter] == max(found) for parameter in LAST & depths.keys())
    assert len(set(model.layer_depths("text").values())) == 4
    assert LAYERS[kind] in (None, len(set(model.layer_depths("visual").values())))


def tower_of(*names):
    """Return a module with parameters of the given names."""
    tower = nn.Module()
    for name in names:
        *path, leaf = name.split(".")
        module = tower
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_parameter(leaf, nn.Parameter(torch.zeros(1)))
    return tower


def test_towers_of_hugging_face():
    """By the names of their parameters in BERT and T5."""
    bert = {
        "transformer.embeddings.word_embeddings.weight": 0, "transformer.embeddings.LayerNorm.weight": 0,
        "transformer.encoder.layer.0.attention.self.query.weight": 1, "transformer.encoder.layer.1.output.dense.bias": 2,
        "transformer.pooler.dense.weight": 3, "proj.weight": 3,
    }  # fmt: skip
    t5 = {
        "transformer.shared.weight": 0, "transformer.encoder.block.0.layer.0.SelfAttention.q.weight": 1,
        "transformer.encoder.block.0.layer.1.DenseReluDense.wo.weight": 1,
        "transformer.encoder.block.1.layer.0.SelfAttention.q.weight": 2,
        "transformer.encoder.final_layer_norm.weight": 3, "proj.0.weight": 3,
    }  # fmt: skip
    for expected in (bert, t5):
        assert tower_layer_depths(tower_of(*expected)) == expected
