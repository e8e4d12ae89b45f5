"""`refiner_realtime`, first version: corrects a tile of the coarse depth from the native-resolution image.

A light encoder sees RGB and the coarse depth at full resolution; coarse features gate the encoder's at stride 8 (the
coarse guides the fine, after the Guided Denoising Unit of PatchRefiner V2, arXiv 2501.01121); a narrow decoder climbs
to stride 2, and pixel shuffling to full resolution. The correction is a residual in log depth, so near and far errors
weigh alike. Most of it is a move: the coarse depth is right on both sides of an edge and smeared across it, so each
pixel may take the depth from beside it instead of inventing one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.network.coarse_lite import FEATURE_CHANNELS
from prv2_ros.network.encoder import ImageEncoder
from prv2_ros.network.layers import ConvBlock, resize_like

_LOG_CENTRE, _LOG_SPREAD = 1.6, 1.4  # mean and deviation of log metres over the training scenes: inputs near N(0, 1)

FEATURE_STRIDE = 8
"""The coarse features of a tile have its size divided by this."""

_REACH_PX = (6, 18)
"""How far away a pixel may take its depth from: about the smear of the coarse depth at two to six times its size."""

_CHOICE_GAIN = 10.0
"""Slope of the choice between neighbours: a clear choice needs large logits, and weights that grow slowly."""


class Gate(nn.Module):
    """Weighs fine features by what the coarse ones say: y = fine * sigmoid(f(fine, coarse))."""

    def __init__(self, channels: int, guide: int) -> None:
        """Build for `channels` fine and `guide` coarse channels."""
        super().__init__()
        self.mix = ConvBlock(channels + guide, channels)
        self.weight = nn.Conv2d(channels, channels, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Keep the shape of `fine`; `coarse` has its height and width."""
        mixed = self.mix(torch.cat([fine, coarse], 1))
        gated: Tensor = fine * torch.sigmoid(self.weight(mixed)) + mixed
        return gated


class RefinerRealtime(nn.Module):
    """Residual in log depth for tiles of any size whose sides are multiples of 32."""

    def __init__(self, encoder: str = "tf_efficientnet_lite0", widths: tuple[int, ...] = (24, 32, 48, 64)) -> None:
        """Build with random weights; `widths` are the decoder's channels at stride 2, 4, 8 and 16."""
        super().__init__()
        self.encoder = ImageEncoder(encoder, 4, extra_channels=2)
        channels = self.encoder.channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels, widths, strict=True))
        self.gate = Gate(widths[2], FEATURE_CHANNELS)
        self.down = nn.ModuleList(nn.Conv2d(widths[k + 1], widths[k], 1) for k in range(3))
        self.fuse = nn.ModuleList(nn.Sequential(ConvBlock(w, w), ConvBlock(w, w)) for w in widths)
        self.full = nn.Conv2d(widths[0], 4 * 8, 3, 1, 1)
        self.detail = nn.Conv2d(8 + 4, 16, 3, 1, 1)
        self.head = nn.Conv2d(16, 2 + 8 * len(_REACH_PX), 3, 1, 1)
        _start_near_identity(self.head)

    def forward(self, image_B3HW: Tensor, log_coarse_B1HW: Tensor, features_BChw: Tensor) -> Tensor:
        """Refine: RGB in 0..1, upsampled coarse log depth, coarse features at (H/8, W/8); log depth (B, 1, H, W)."""
        depth = (log_coarse_B1HW - _LOG_CENTRE) / _LOG_SPREAD
        # Where the coarse depth bends is where it may be wrong; its curvature is small beside the depth itself.
        bend = 10 * (depth - F.avg_pool2d(depth, 9, 1, 4, count_include_pad=False))
        maps = self.encoder(image_B3HW, torch.cat([depth, bend], 1))
        x = self.fuse[3](self.lateral[3](maps[3]))
        for level in (2, 1, 0):
            x = resize_like(self.down[level](x), maps[level]) + self.lateral[level](maps[level])
            if level == 2:
                x = self.gate(x, resize_like(features_BChw, x))
            x = x + self.fuse[level](x)
        fine = F.pixel_shuffle(self.full(x), 2)
        fine = F.relu(self.detail(torch.cat([fine, image_B3HW - 0.5, bend], 1)))
        answer: Tensor = self.head(fine).float()
        share = torch.softmax(_CHOICE_GAIN * answer[:, 1:], 1)
        moved: Tensor = (share * _neighbours(log_coarse_B1HW)).sum(1, keepdim=True)
        return moved + answer[:, :1]


def _start_near_identity(head: nn.Conv2d) -> None:
    """Let an untrained head answer with no residual and the mean depth around the pixel, open to change."""
    nn.init.normal_(head.weight, std=0.003)
    assert head.bias is not None
    with torch.no_grad():
        head.weight[0].zero_()
        head.bias.zero_()
        head.bias[1] = 1.5 / _CHOICE_GAIN


def _neighbours(x_B1HW: Tensor) -> Tensor:
    """The map and its copies moved by each reach in eight directions, (B, 1 + 8 * reaches, H, W); borders repeat."""
    height, width = x_B1HW.shape[-2:]
    largest = max(_REACH_PX)
    padded = F.pad(x_B1HW, (largest,) * 4, mode="replicate")
    moved = [x_B1HW]
    for reach in _REACH_PX:
        for dy in (-reach, 0, reach):
            for dx in (-reach, 0, reach):
                if dy or dx:
                    y, x = largest + dy, largest + dx
                    moved.append(padded[..., y : y + height, x : x + width])
    return torch.cat(moved, 1)
