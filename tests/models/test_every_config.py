"""Every network under configs/ can be built and applied at its own image size."""

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes
from tests.network_configs import CONFIGS, network_configs

pytestmark = pytest.mark.slow

FOLDERS = sorted({path.relative_to(CONFIGS).parts[0] for path in network_configs()})
WITHOUT_FILES = {
    "MODEL.BACKBONE.PRETRAIN": False, "MODEL.BACKBONE.PRETRAIN_PATH": "", "MODEL.TOWER_WEIGHTS": ["", ""],
    "MODEL.CLIP.PRETRAINED": "", "MODEL.WEIGHTS": "",
}  # fmt: skip


def networks(folder):
    """Yield (names of the files, config) of every different network in a folder or file of configs/."""
    names, configs = {}, {}
    for path in network_configs():
        name = path.relative_to(CONFIGS)
        if name.parts[0] == folder:
            cfg = load_config(path, [str(word) for pair in WITHOUT_FILES.items() for word in pair])
            key = cfg.MODEL.dump(), *cfg.INPUT.SIZE_TRAIN, *cfg.INPUT.SIZE_TEST
            names.setdefault(key, []).append(name.as_posix())
            configs[key] = cfg
    for key, cfg in configs.items():
        yield ", ".join(names[key]), cfg


@pytest.mark.parametrize("folder", FOLDERS)
def test_features_of_an_image_of_its_own_size(folder):
    for names, cfg in networks(folder):
        with torch.device("meta"):
            model = build_model(with_classes(cfg, 40)).eval()
            features = model(torch.zeros(2, 1, *cfg.INPUT.SIZE_TEST, dtype=torch.uint8))
        weight = model.state_dict().get("heads.weight")
        assert features.shape[0] == 2 and (weight is None or weight.shape[1] == features.shape[1]), names
