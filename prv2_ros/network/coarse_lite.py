"""`coarse_lite`: metric depth of the whole image from a light encoder and a top-down decoder.

Depth is predicted for a camera of a fixed canonical focal length and scaled by the real one (the label transform of
Metric3D, arXiv 2307.10984, section 3.1): a thing of size S at depth D covers f * S / D pixels, so what the pixels show
fixes D / f, and depth_m = canonical_depth * f / f_canonical holds for wide and long lenses alike.

Where the pixels do not show what fixes D / f, the network falls back on what it expects of any picture. That is not the
same D / f for all lenses: rooms are as deep through a long lens as through a wide one. So it is told the focal length,
too (`LensResponse`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.network.encoder import ImageEncoder
from prv2_ros.network.layers import ContextBlock, ConvBlock, full_precision, resize_like

F_CANONICAL_PX = 500.0
"""Focal length of the canonical camera at network resolution (px)."""

LENS_RANGE_PX = (150.0, 1500.0)
"""Focal lengths at network resolution (px) that are told apart: a little beyond those of the training's pictures."""

_LOG_RANGE = (math.log(0.05), math.log(400.0))
"""Log metres that are answered: a scene unlike any seen must not give kilometres; the sky lies beyond 250 m."""

FEATURE_CHANNELS = 32
"""Channels of the features that the refiner gets."""

LOG_SCALE_RANGE = (math.log(0.01), math.log(2.0))
"""Log of the expected absolute error of the log depth: 1% is better than any answer is, a factor of 7 is a guess."""


@dataclass(frozen=True, kw_only=True)
class CoarseOutput:
    """What the coarse network says of an image at network size (h, w)."""

    log_depth_B1hw: Tensor
    """Natural logarithm of the depth in metres."""

    features_BChw: Tensor
    """Decoder features at a quarter of the network size."""

    log_scale_B1hw: Tensor
    """Natural logarithm of the expected absolute error of the log depth, at a quarter of the network size."""


class CoarseLite(nn.Module):
    """Encoder, context at the coarsest scales, top-down decoder, log-depth head at stride 4."""

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        widths: tuple[int, ...] = (48, 64, 96, 160),
        lens: bool = True,
    ) -> None:
        """Build with random weights.

        Args:
            encoder: a timm encoder with maps at stride 4 to 32.
            widths: the decoder's channels at stride 4, 8, 16 and 32.
            lens: whether the decoder is told the focal length.

        """
        super().__init__()
        self.encoder = ImageEncoder(encoder, 5)
        skips = self.encoder.channels[1:]
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(skips, widths, strict=True))
        place = 2
        self.place = nn.ModuleList(nn.Conv2d(place, w, 1) for w in widths[2:])
        self.context = nn.ModuleList(nn.Sequential(*(ContextBlock(w) for _ in range(3))) for w in widths[2:])
        self.down = nn.ModuleList(nn.Conv2d(widths[k + 1], widths[k], 1) for k in range(3))
        self.fuse = nn.ModuleList(nn.Sequential(ConvBlock(w, w, 3), ConvBlock(w, w, 3)) for w in widths[:3])
        self.lens = LensResponse(widths) if lens else None
        self.features = ConvBlock(widths[0], FEATURE_CHANNELS)
        self.head = nn.Conv2d(FEATURE_CHANNELS, 1, 3, 1, 1)
        nn.init.constant_(self.head.bias, math.log(4.0))  # type: ignore[arg-type]
        self.scale_head = nn.Sequential(nn.Conv2d(FEATURE_CHANNELS + 1, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 1, 1))
        nn.init.constant_(self.scale_head[2].bias, math.log(0.25))  # type: ignore[arg-type]

    def forward(self, image_B3hw: Tensor, f_px_B: Tensor) -> CoarseOutput:
        """Predict from RGB in 0..1 at network size (sides multiples of 32) and the focal length (px) at that size."""
        return self.answer(self.levels(image_B3hw, f_px_B)[-1], f_px_B, (image_B3hw.shape[-2], image_B3hw.shape[-1]))

    def levels(self, image_B3hw: Tensor, f_px_B: Tensor) -> list[Tensor]:
        """Decoder maps at stride 32, 16, 8 and 4, and the features at stride 4."""
        maps = self.encoder(image_B3hw)[1:]
        told = None if self.lens is None else self.lens(f_px_B)
        x = self.lateral[3](maps[3])
        found = []
        for level in (3, 2, 1, 0):
            if level < 3:
                x = resize_like(self.down[level](x), maps[level]) + self.lateral[level](maps[level])
            if told is not None:
                scale, shift = told[level]
                x = x * (1 + scale.to(x.dtype)) + shift.to(x.dtype)
            if level >= 2:
                x = x + self.place[level - 2](_pixel_offsets(x, 4 * 2**level))
                x = self.context[level - 2](x)
            if level < 3:
                x = x + self.fuse[level](x)
            found.append(x)
        return [*found, self.features(x)]

    def answer(self, features: Tensor, f_px_B: Tensor, size_hw: tuple[int, int]) -> CoarseOutput:
        """Depth and its expected error from the features, for images of `size_hw`."""
        with full_precision(features):  # bfloat16 would round the depth to 1%
            answer = self.head(features.float())
            # The heads apart: how sure an answer is must not change the answer.
            known = torch.cat([features.float(), answer], 1).detach()
            log_scale = self.scale_head(known).clamp(*LOG_SCALE_RANGE)
        canonical = F.interpolate(answer, size_hw, mode="bilinear", align_corners=False)
        log_focal = torch.log(f_px_B / F_CANONICAL_PX).view(-1, 1, 1, 1)
        log_depth = (canonical + log_focal).clamp(*_LOG_RANGE)
        return CoarseOutput(log_depth_B1hw=log_depth, features_BChw=features, log_scale_B1hw=log_scale)


class LensResponse(nn.Module):
    """What a focal length adds to each level of the decoder: a scale and a shift a channel (FiLM, arXiv 1709.07871)."""

    def __init__(self, widths: tuple[int, ...], hidden: int = 32) -> None:
        """Build; changes nothing until it is trained."""
        super().__init__()
        self.hidden = nn.Linear(1, hidden)
        self.levels = nn.ModuleList(nn.Linear(hidden, 2 * width) for width in widths)
        for level in self.levels:
            nn.init.zeros_(level.weight)  # type: ignore[arg-type]
            nn.init.zeros_(level.bias)  # type: ignore[arg-type]

    def forward(self, f_px_B: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scale and shift, (B, C, 1, 1) float32 each, of the levels at stride 4, 8, 16 and 32.

        Focal lengths beyond `LENS_RANGE_PX` are taken for its ends: nothing was learnt of them.
        """
        f_px_B = f_px_B.float().clamp(*LENS_RANGE_PX)
        with full_precision(f_px_B):
            hidden = F.relu(self.hidden(torch.log(f_px_B / F_CANONICAL_PX)[:, None]))
            return [level(hidden)[..., None, None].chunk(2, 1) for level in self.levels]


def _pixel_offsets(x: Tensor, stride: int) -> Tensor:
    """Offset of each cell from the image centre in canonical focal lengths, (1, 2, h, w).

    The cell's ray through the canonical camera: it tells floor from ceiling without knowledge of the lens.
    """
    h, w = x.shape[-2:]
    u = (torch.arange(w, device=x.device, dtype=x.dtype) - (w - 1) / 2) * stride / F_CANONICAL_PX
    v = (torch.arange(h, device=x.device, dtype=x.dtype) - (h - 1) / 2) * stride / F_CANONICAL_PX
    return torch.stack([u.expand(h, w), v[:, None].expand(h, w)])[None]
