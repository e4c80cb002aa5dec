import numpy as np
import pytest
import torch
from torch import nn

from fastpatent.engine.device import extraction_precision
from fastpatent.errors import DataError
from fastpatent.evaluation.features import extract_features

CPU = torch.device("cpu")


class Columns(nn.Module):
    """The mean of every column: sees a mirror, and behaves otherwise in training mode."""

    def forward(self, images):
        assert not self.training
        return images.float().mean((1, 2))


def batches(images, order, size=3):
    for begin in range(0, len(order), size):
        indices = torch.tensor(order[begin : begin + size])
        yield {"images": images[indices], "indices": indices}


@pytest.mark.parametrize("flip", [False, True])
def test_rows_come_in_the_order_of_the_drawings(flip):
    images = torch.randint(0, 256, (8, 1, 5, 6), dtype=torch.uint8)
    done = []
    model = Columns().train()
    loader = batches(images, [3, 1, 7, 0, 2, 6, 5, 4])
    features = extract_features(model, loader, CPU, extraction_precision("fp32"), flip, done.append)
    columns = images[:, 0].double().mean(1).numpy()
    expected = (columns + columns[:, ::-1]) / 2 if flip else columns
    np.testing.assert_allclose(features, expected, rtol=1e-6)
    assert features.dtype == np.float32 and done == [3, 6, 8] and model.training


def test_no_drawing_is_an_error():
    with pytest.raises(DataError, match="no drawing"):
        extract_features(Columns(), [], CPU, extraction_precision("fp32"))
