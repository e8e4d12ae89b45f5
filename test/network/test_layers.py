from __future__ import annotations

import torch
from torch import nn

from prv2_ros.network.layers import pointwise


def test_pointwise_is_the_convolution_and_copies_no_channels_last_input() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(24, 7, 1)
    for x in (torch.randn(2, 24, 5, 9), torch.randn(2, 24, 5, 9).to(memory_format=torch.channels_last)):
        x.requires_grad_()
        found, expected = pointwise(conv, x), conv(x)
        torch.testing.assert_close(found, expected)
        gradients = [torch.autograd.grad(y.square().sum(), [x, *conv.parameters()]) for y in (found, expected)]
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert found.is_contiguous(memory_format=torch.channels_last)
