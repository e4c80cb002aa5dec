"""Whether a network takes images of a size: networks have a smallest size, or a single one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fastpatent.errors import ConfigError
from fastpatent.models.network import Network


@contextmanager
def sizes_as_errors(keys: str, height: int, width: int) -> Iterator[None]:
    """Within this block a forward pass that fails for the size of its images raises ConfigError.

    Args:
        keys: of the configuration that decide the size.
        height, width: of the images.
    """
    try:
        yield
    except (AssertionError, ValueError, RuntimeError) as error:  # of timm's networks of one size, norms, convolutions
        if isinstance(error, RuntimeError) and ("size" not in str(error) or isinstance(error, torch.OutOfMemoryError)):
            raise
        raise ConfigError(f"{keys}: the network takes no images of {height} x {width}: {error}") from error


def check_train_size(network: Network, key: str, size: tuple[int, int], device: torch.device) -> None:
    """Raise ConfigError where a network takes no training images of their size; it is left as it was.

    Args:
        network: in any mode.
        key: that decides the size.
        size: (height, width).
        device: of the network.
    """
    paper = torch.full((1, 1, *size), 255, dtype=torch.uint8, device=device)
    was_training = network.training
    network.eval()
    with torch.no_grad(), sizes_as_errors(key, *size):
        network.embed_images(paper)
    network.train(was_training)
