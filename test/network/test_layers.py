from __future__ import annotations

import pytest
import torch
from torch import nn

from prv2_ros.network import layers
from prv2_ros.network.layers import convex_upsample, convex_upsample_by, pointwise


@pytest.mark.parametrize("gain", [1.0, 10.0])
def test_pointwise_is_the_convolution_map_by_map(gain: float) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(24, 7, 1)
    for x in (torch.randn(2, 24, 5, 9), torch.randn(2, 24, 5, 9).to(memory_format=torch.channels_last)):
        x.requires_grad_()
        found, expected = pointwise(conv, x, gain), gain * conv(x)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        gradients = [torch.autograd.grad(y.square().sum(), [x, *conv.parameters()]) for y in (found, expected)]
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)
        assert found.is_contiguous()


@pytest.mark.parametrize("cells", [1, 26, 40, 10_000])  # bands of a row, of two and three rows with a rest, and all
def test_upsampling_in_bands_is_upsampling(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(layers, "_BAND_CELLS", cells)
    torch.manual_seed(1)
    conv, x = nn.Conv2d(24, 9 * 16, 1), torch.randn(2, 1, 7, 13)
    features = torch.randn(2, 24, 7, 13).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = convex_upsample(x, 10 * conv(features), 4)
        found = convex_upsample_by(conv, features, x, 4, 10.0)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    learning = convex_upsample_by(conv, features, x, 4, 10.0)
    torch.testing.assert_close(learning, expected, rtol=1e-5, atol=1e-5)
    assert learning.requires_grad


def test_logits_beyond_what_exp_can_hold_choose_one_direction() -> None:
    conv = nn.Conv2d(1, 9 * 4, 1)
    nn.init.zeros_(conv.weight)
    with torch.no_grad():
        assert conv.bias is not None
        conv.bias.copy_(torch.arange(9.0).repeat_interleave(4) * 100)  # the last direction: one cell down and right
    x = torch.arange(30.0).view(1, 1, 5, 6)
    with torch.inference_mode():
        found = convex_upsample_by(conv, torch.ones(1, 1, 5, 6), x, 2, 1.0)
        smooth = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found[..., :-2, :-2], smooth[..., 2:, 2:])
