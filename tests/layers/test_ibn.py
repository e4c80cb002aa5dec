"""IBN-a against the norms of PyTorch and against the formula in float64."""

import torch
from torch import nn

from fastpatent.layers.ibn import IBN


def test_halves_are_instance_and_batch_norm():
    for channels in [8, 7]:
        for training in [True, False]:
            for memory_format in [torch.contiguous_format, torch.channels_last]:
                torch.manual_seed(0)
                half = channels // 2
                layer = IBN(channels).train(training)
                instance, batch = nn.InstanceNorm2d(half, affine=True), nn.BatchNorm2d(channels - half)
                for parameter in layer.parameters():
                    nn.init.normal_(parameter)
                nn.init.uniform_(layer.BN.running_var, 0.5, 2)
                nn.init.normal_(layer.BN.running_mean)
                instance.load_state_dict(layer.IN.state_dict())
                batch.load_state_dict(layer.BN.state_dict())
                features = torch.randn(4, channels, 5, 6)
                expected = [instance.train(training)(features[:, :half]), batch.train(training)(features[:, half:])]
                found = layer(features.contiguous(memory_format=memory_format))
                torch.testing.assert_close(
                    found,
                    torch.cat(expected, dim=1),
                    msg=lambda text: f"{text} ({channels=}, {training=}, {memory_format=})",
                )
                torch.testing.assert_close(
                    layer.BN.running_mean,
                    batch.running_mean,
                    msg=lambda text: f"{text} ({channels=}, {training=}, {memory_format=})",
                )


def test_the_first_half_depends_on_its_own_drawing_only():
    layer = IBN(8).double().train()
    features = torch.randn(4, 8, 5, 6, dtype=torch.float64)
    own = features[:, :4]
    centred = own - own.mean((2, 3), keepdim=True)
    expected = centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(layer(features)[:, :4], expected)
    assert set(layer.state_dict()) == {"IN.weight", "IN.bias"} | {f"BN.{name}" for name in nn.BatchNorm2d(4).state_dict()}
