"""Small convolutional blocks that the networks share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Convolution, batch norm and ReLU6-free activation; `groups` for depthwise."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        """Build with `same` padding."""
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ContextBlock(nn.Module):
    """Large depthwise kernel and a pointwise bottleneck with a residual (after ConvNeXt, arXiv 2201.03545)."""

    def __init__(self, channels: int, kernel: int = 7, expansion: int = 2) -> None:
        """Build; starts close to the identity."""
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        # In bfloat16 a CPU takes three times as long for the gradient of a depthwise kernel as in float32.
        with full_precision(x):
            mixed = self.norm(self.depthwise(x.float())).to(x.dtype)
        y = self.narrow(F.relu(self.widen(mixed)))
        out: Tensor = x + self.scale * y
        return out


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switch automatic mixed precision off on the tensor's device; tensors without memory have none."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """Resample (B, C, h, w) bilinearly to the height and width of `like`."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def convex_upsample(x_B1hw: Tensor, logits_BKhw: Tensor, stride: int) -> Tensor:
    """Upsample by `stride`: each pixel is a mean of the 3x3 cells around it (RAFT, arXiv 2003.12039, section 3.3).

    Args:
        x_B1hw: map to upsample.
        logits_BKhw: K = 9 * stride^2 numbers a cell, ordered by cell of the neighbourhood, then by pixel (row by row
            both); a softmax over the neighbourhood makes them weights.
        stride: pixels a side of a cell.

    Returns:
        (B, 1, stride * h, stride * w); no value outside the range of the cells around it.

    """
    batch, _, height, width = x_B1hw.shape
    share = torch.softmax(logits_BKhw.view(batch, 9, stride**2, height, width), 1)
    padded = F.pad(x_B1hw, (1, 1, 1, 1), mode="replicate")
    cells = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    fine = torch.zeros_like(share[:, 0])
    for k, cell in enumerate(cells):
        fine = torch.addcmul(fine, share[:, k], cell)
    return F.pixel_shuffle(fine, stride)
