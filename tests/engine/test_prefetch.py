import pytest
import torch

from fastpatent.engine.prefetch import DeviceFeed

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


class Loader:
    """Three batches, and an augmentation that adds each drawing's position to it, or none."""

    def __init__(self, augments):
        self.augmentation = (lambda images, positions: images + positions.to(images).view(-1, 1, 1, 1)) if augments else None

    def __iter__(self):
        for number in range(3):
            positions = torch.arange(4) + 4 * number
            yield {
                "images": torch.full((4, 1, 2, 2), 100, dtype=torch.uint8),
                "targets": positions * 2,
                "domains": positions % 2,
                "indices": positions + 7,
                "positions": positions,
            }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augments", [True, False])
def test_batches_arrive_in_order_and_augmented(device, augments):
    batches = list(DeviceFeed(Loader(augments), torch.device(device)))
    assert len(batches) == 3
    for number, (images, targets, domains, indices, texts) in enumerate(batches):
        positions = torch.arange(4) + 4 * number
        assert texts is None
        assert images.device.type == targets.device.type == device and images.dtype == torch.uint8
        assert torch.equal(targets.cpu(), positions * 2) and torch.equal(domains, positions % 2)
        assert torch.equal(indices, positions + 7)
        assert torch.equal(images[:, 0, 0, 0].cpu(), (100 + positions * augments).to(torch.uint8))
