"""Small convolutional blocks that the networks share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BAND_CELLS = 1024  # of which `convex_upsample_by` makes the weights together: 0.6 MB


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
    # torch.amp.is_autocast_available would tell, but torch 2.3 lacks it, and 2.5 cannot compile it.
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """Resample (B, C, h, w) bilinearly to the height and width of `like`."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def pointwise(conv: nn.Conv2d, x: Tensor, gain: float = 1.0) -> Tensor:
    """Convolve 1x1 as the matrix product that it is: on a CPU in float32 a third of a convolution's time.

    Copies nothing where `x` (B, C, h, w) is in channels-last memory. The answer lies in memory map by map, as a softmax
    over the channels wants it, and is `gain` times the convolution's.
    """
    batch, channels, height, width = x.shape
    weight, bias = _scaled(conv, gain)
    pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    return torch.baddbmm(bias[:, None], weight.expand(batch, -1, -1), pixels.mT).view(batch, -1, height, width)


def _scaled(conv: nn.Conv2d, gain: float) -> tuple[Tensor, Tensor]:
    """Weight (outputs, inputs) and bias of a 1x1 convolution whose answer is to be `gain` times as large."""
    assert conv.bias is not None
    weight = conv.weight.flatten(1)
    return (weight, conv.bias) if gain == 1.0 else (weight * gain, conv.bias * gain)


def convex_upsample(x_B1hw: Tensor, logits_BKhw: Tensor, stride: int) -> Tensor:
    """Upsample by `stride`: each pixel is a mean of the bilinear map at itself and one cell away from it.

    RAFT (arXiv 2003.12039, section 3.3) takes means of the 3x3 cells around instead, and has to learn weights for every
    pixel of a cell to keep a slope smooth. Here even or symmetric weights do, from the first step on, and an edge is as
    sharp as they are: one cell away lies beyond the bilinear smear.

    Args:
        x_B1hw: map to upsample.
        logits_BKhw: K = 9 * stride^2 numbers a cell, ordered by direction (row by row, none in the middle), then by
            pixel of the cell (row by row); a softmax over the directions makes them weights.
        stride: pixels a side of a cell.

    Returns:
        (B, 1, stride * h, stride * w); no value outside the range of the 5x5 cells around it.

    """
    batch, _, height, width = x_B1hw.shape
    share = torch.softmax(logits_BKhw.view(batch, 9, stride**2, height, width), 1)
    pixels = _pixels_around(x_B1hw, stride)
    moved = (pixels[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3))
    fine = torch.zeros_like(share[:, 0])
    # Unbound at once: the gradient of picking one direction would be a map of zeros for all nine.
    for weight, value in zip(share.unbind(1), moved, strict=True):
        fine = torch.addcmul(fine, weight, value)
    return F.pixel_shuffle(fine, stride)


def _pixels_around(x_B1hw: Tensor, stride: int) -> Tensor:
    """Bilinear map with a border of one cell, a cell's pixels as channels: one cell away is one step in the map."""
    padded = F.pad(x_B1hw, (1, 1, 1, 1), mode="replicate")
    smooth = F.interpolate(padded, scale_factor=stride, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(smooth, stride)


def convex_upsample_by(conv: nn.Conv2d, features_BChw: Tensor, x_B1hw: Tensor, stride: int, gain: float) -> Tensor:
    """`convex_upsample` by the logits that a 1x1 convolution makes of features, times `gain`.

    On a CPU that learns nothing they are made and used a few rows at a time: all of them are 30 MB a tile, and take
    twice as long through memory as in its cache.
    """
    if torch.is_grad_enabled() or x_B1hw.device.type != "cpu" or torch.compiler.is_compiling():
        return convex_upsample(x_B1hw, pointwise(conv, features_BChw, gain), stride)
    batch, channels, height, width = features_BChw.shape
    weight, bias = _scaled(conv, gain)
    pixels = _pixels_around(x_B1hw, stride)
    fine = pixels.new_empty(batch, stride**2, height, width)
    band = max(1, _BAND_CELLS // width)
    for sample in range(batch):
        for top in range(0, height, band):
            rows = min(band, height - top)
            part = features_BChw[sample, :, top : top + rows].permute(1, 2, 0).reshape(rows * width, channels)
            logits = torch.addmm(bias[:, None], weight, part.mT).view(9, stride**2, rows, width)
            shares = logits.sub_(logits.amax(0)).exp_()
            mean = shares[0] * pixels[sample, :, top : top + rows, :width]
            for way in range(1, 9):
                y, x = top + way // 3, way % 3
                mean.addcmul_(shares[way], pixels[sample, :, y : y + rows, x : x + width])
            torch.div(mean, shares.sum(0), out=fine[sample, :, top : top + rows])
    return F.pixel_shuffle(fine, stride)
