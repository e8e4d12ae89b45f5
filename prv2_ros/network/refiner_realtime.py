"""`refiner_realtime`: corrects a tile of the coarse depth from the native-resolution image, at a fortieth of the work.

PatchRefiner V2 (arXiv 2501.01121) spends 1160 of its 1162 GFLOP a patch in decoders of 256 channels at up to full patch
resolution. Its ideas are kept here, its cost is not:

- a light encoder sees half the native resolution beside a shallow branch that sees all of it, so that everything wide
  happens at stride 4 and below;
- coarse features gate the fine ones (coarse guides fine, the Guided Denoising Unit) at strides 8, 16 and 32;
- fine corrects coarse by an offset in log depth, so that near and far errors weigh alike. Most of the correction is a
  move: the coarse depth is right on both sides of an edge and smeared across it, so each cell of 4x4 px may take the
  depth from beside it instead of inventing one;
- convex upsampling (after RAFT, arXiv 2003.12039, section 3.3): each native pixel takes a mean of the depths one cell
  around it with weights that the image decides, so that edges are as sharp as the image.

Shapes: B tiles, H and W their native pixels, multiples of 32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.errors import ConfigError
from prv2_ros.network.coarse_lite import FEATURE_CHANNELS, LOG_SCALE_RANGE
from prv2_ros.network.encoder import ImageEncoder, encoder_strides
from prv2_ros.network.layers import ConvBlock, convex_upsample_by, full_precision, pointwise, resize_like

DEPTH_STRIDE = 4
"""The coarse depth of a tile, and all that is predicted for it before the last step, has its size divided by this."""

FEATURE_STRIDE = 8
"""The coarse features of a tile have its size divided by this."""

_STRIDES = (4, 8, 16, 32)
_LOG_CENTRE, _LOG_SPREAD = 1.6, 1.4  # mean and deviation of log metres over the training scenes: inputs near N(0, 1)

_REACH_CELLS = (1, 3, 8)
"""How far away a cell may take its depth from: the smear of the coarse depth at two to six times its size."""

_CHOICE_GAIN = 10.0
"""Slope of a choice between neighbours: a clear choice needs large logits, and weights that grow slowly."""


@dataclass(frozen=True, kw_only=True)
class RefinedTile:
    """What the refiner says of tiles."""

    log_depth_B1HW: Tensor
    """Natural logarithm of the depth in metres, native resolution."""

    log_scale_B1hw: Tensor
    """Natural logarithm of the expected absolute error of the log depth, at stride `DEPTH_STRIDE`."""

    features_BChw: Tensor | None = None
    """What the answer is made of, at stride `DEPTH_STRIDE`; overlapping tiles are trained to agree in it, too."""


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
    """Offset in log depth for tiles of any size whose sides are multiples of 32; no pooling over the tile."""

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        widths: tuple[int, ...] = (32, 48, 64, 96),
        shrink: int = 2,
    ) -> None:
        """Build with random weights.

        Args:
            encoder: a timm `features_only` network.
            widths: the decoder's channels at stride 4, 8, 16 and 32 of the native image.
            shrink: how much smaller than the tile the encoder's image is, 1 or 2.

        Raises:
            ConfigError: other numbers, or an encoder without maps at stride 8, 16 and 32 of the native image.

        """
        super().__init__()
        if shrink not in (1, 2) or len(widths) != len(_STRIDES):
            raise ConfigError(f"refiner of widths {widths}, shrink {shrink}: expected four widths, and 1 or 2")
        self.shrink = shrink
        self.places = _places(encoder, shrink)
        self.encoder = ImageEncoder(encoder, self.places[-1] + 1, extra_channels=2)
        channels = [0 if place is None else self.encoder.channels[place] for place in self.places]
        self.detail = nn.Sequential(ConvBlock(3, 16, 3, 2), ConvBlock(16, widths[0], 3, 2))
        self.lateral = nn.ModuleList(
            nn.Conv2d(c, w, 1) if c else nn.Identity() for c, w in zip(channels, widths, strict=True)
        )
        self.gates = nn.ModuleList(Gate(w, FEATURE_CHANNELS) for w in widths[1:])
        self.down = nn.ModuleList(nn.Conv2d(widths[k + 1], widths[k], 1) for k in range(3))
        self.fuse = nn.ModuleList(nn.Sequential(ConvBlock(w, w), ConvBlock(w, w)) for w in widths)
        self.head = ConvBlock(widths[0] + 2, 2 * widths[0])
        self.offset = nn.Conv2d(2 * widths[0], 2 + 8 * len(_REACH_CELLS), 1)
        self.upsample = nn.Conv2d(2 * widths[0], 9 * DEPTH_STRIDE**2, 1)
        self.scale_head = nn.Sequential(nn.Conv2d(2 * widths[0], 16, 1), nn.ReLU(), nn.Conv2d(16, 1, 1))
        self._start_near_identity()

    def _start_near_identity(self) -> None:
        """Let an untrained head answer with the coarse depth, bilinearly upsampled, but open to change."""
        for head in (self.offset, self.upsample, self.scale_head[2]):
            assert isinstance(head, nn.Conv2d)
            nn.init.normal_(head.weight, std=0.003)
            assert head.bias is not None
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.offset.weight[0].zero_()
            self.offset.bias[1] = 5.0 / _CHOICE_GAIN  # type: ignore[index]
            self.scale_head[2].weight.zero_()  # type: ignore[operator]
            # Logits of the middle, of nine directions: its pixels keep their places.
            self.upsample.bias.view(9, -1)[4] = 5.0 / _CHOICE_GAIN  # type: ignore[union-attr]

    def forward(
        self, image_B3HW: Tensor, log_coarse_B1hw: Tensor, features_BChw: Tensor, log_scale_B1hw: Tensor
    ) -> RefinedTile:
        """Refine tiles.

        Args:
            image_B3HW: RGB in 0..1.
            log_coarse_B1hw: coarse log depth at (H/4, W/4).
            features_BChw: coarse features at (H/8, W/8).
            log_scale_B1hw: log of the coarse depth's expected error at (H/4, W/4).

        """
        depth = (log_coarse_B1hw - _LOG_CENTRE) / _LOG_SPREAD
        # Where the coarse depth bends is where it may be wrong; its curvature is small beside the depth itself.
        bend = 10 * (depth - F.avg_pool2d(depth, 5, 1, 2, count_include_pad=False))
        known = torch.cat([depth, bend], 1)
        maps = self._encode(image_B3HW, known)
        x = self.fuse[3](self.gates[2](maps[3], resize_like(features_BChw, maps[3])))
        for level in (2, 1, 0):
            x = resize_like(self.down[level](x), maps[level]) + maps[level]
            if level:
                x = self.gates[level - 1](x, resize_like(features_BChw, x))
            x = x + self.fuse[level](x)
        x = self.head(torch.cat([x, known], 1))
        # How sure an answer is must not change the answer, hence the head apart.
        with full_precision(x):  # bfloat16 would round the depth to 1%
            offset = pointwise(self.offset, x.float())
            share = torch.softmax(_CHOICE_GAIN * offset[:, 1:], 1)
            moved = (share * _neighbours(log_coarse_B1hw.float())).sum(1, keepdim=True)
            log_depth = convex_upsample_by(self.upsample, x.float(), moved + offset[:, :1], DEPTH_STRIDE, _CHOICE_GAIN)
            log_scale = log_scale_B1hw.float() + self.scale_head(x.float().detach())
        log_scale = log_scale.clamp(*LOG_SCALE_RANGE)
        return RefinedTile(log_depth_B1HW=log_depth, log_scale_B1hw=log_scale, features_BChw=x)

    def _encode(self, image_B3HW: Tensor, known_B2hw: Tensor) -> list[Tensor]:
        """Maps of `widths` channels at stride 4, 8, 16 and 32."""
        size = (image_B3HW.shape[-2] // self.shrink, image_B3HW.shape[-1] // self.shrink)
        small = F.avg_pool2d(image_B3HW, 2) if self.shrink == 2 else image_B3HW
        extra = F.interpolate(known_B2hw, size, mode="bilinear", align_corners=False)
        found = self.encoder(small, extra)
        detail = self.detail(image_B3HW - 0.5)
        maps = [
            detail if place is None else lateral(found[place])
            for place, lateral in zip(self.places, self.lateral, strict=True)
        ]
        return maps if self.places[0] is None else [maps[0] + detail, *maps[1:]]


def _places(encoder: str, shrink: int) -> tuple[int | None, int, int, int]:
    """Index of the encoder's map at each stride of the native image; None where it has none at stride 4."""
    native = [stride * shrink for stride in encoder_strides(encoder)]
    if not set(_STRIDES[1:]) <= set(native):
        raise ConfigError(
            f"encoder {encoder!r} has maps at strides {native} of the tile: expected 8, 16 and 32 among them"
        )
    return native.index(4) if 4 in native else None, native.index(8), native.index(16), native.index(32)


def _neighbours(x_B1hw: Tensor) -> Tensor:
    """The map and its copies moved by each reach in eight directions, (B, 1 + 8 * reaches, h, w); borders repeat."""
    height, width = x_B1hw.shape[-2:]
    largest = max(_REACH_CELLS)
    padded = F.pad(x_B1hw, (largest,) * 4, mode="replicate")
    moved = [x_B1hw]
    for reach in _REACH_CELLS:
        for dy in (-reach, 0, reach):
            for dx in (-reach, 0, reach):
                if dy or dx:
                    y, x = largest + dy, largest + dx
                    moved.append(padded[..., y : y + height, x : x + width])
    return torch.cat(moved, 1)
