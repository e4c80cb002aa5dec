"""Every network under configs/ can be built at its own size."""

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes
from tests.network_configs import CONFIGS, network_configs

FILES = [path.relative_to(CONFIGS).as_posix() for path in network_configs()]
UNTRAINED = ["MODEL.BACKBONE.PRETRAIN", "False", "MODEL.TOWER_WEIGHTS", "['','']", "MODEL.CLIP.PRETRAINED", "''"]


@pytest.mark.parametrize("name", FILES)
def test_features_of_a_drawing_of_its_own_size(name):
    cfg = with_classes(load_config(CONFIGS / name, UNTRAINED), 40)
    with torch.device("meta"):
        model = build_model(cfg).eval()
        features = model(torch.zeros(2, 1, *cfg.INPUT.SIZE_TEST, dtype=torch.uint8))
    rows = [value for key, value in model.state_dict().items() if key == "heads.weight"]
    assert features.shape[0] == 2 and all(weight.shape[1] == features.shape[1] for weight in rows)
