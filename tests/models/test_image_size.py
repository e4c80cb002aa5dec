"""Sizes that a network does not take are named by their key, before the training."""

import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.models.image_size import check_train_size, sizes_as_errors
from fastpatent.models.network import Network

CPU = torch.device("cpu")


class Small(Network):
    """Two convolutions without padding and a batch norm: images of at least 5 x 5."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Conv2d(2, 2, 3), torch.nn.InstanceNorm2d(2)
        )

    def embed_images(self, images, domains=None):
        return self.layers(images.float()).flatten(1)


@pytest.mark.parametrize("size", [(2, 9), (4, 4), (5, 5)])  # a kernel that is too large, twice, and one value for a norm
def test_too_small_is_refused_with_the_key(size):
    with pytest.raises(ConfigError, match=f"^INPUT.SIZE_TRAIN: the network takes no images of {size[0]} x {size[1]}: "):
        check_train_size(Small(), "INPUT.SIZE_TRAIN", size, CPU)


def test_the_network_stays_as_it_was():
    network = Small().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    check_train_size(network, "INPUT.SIZE_TRAIN", (9, 7), CPU)
    assert network.training and all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_other_errors_pass():
    for error in (RuntimeError("an illegal memory access"), torch.OutOfMemoryError("tried to allocate a size of 3 GiB")):
        with pytest.raises(type(error)), sizes_as_errors("INPUT.SIZE_TEST", 3, 3):
            raise error
