"""Our own `coarse_lite` in the place of the published models' coarse network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.network.coarse_features import CoarseMaps
from prv2_ros.network.coarse_lite import F_CANONICAL_PX, CoarseLite


class CoarseLiteMaps(nn.Module):
    """Metric depth and six maps of one width, as the published refiner wants them.

    The decoder has four widths; a learned 1x1 convolution a map (`projection`) makes them one. The last map is
    the features at stride 4, brought to the image's size, of half the width, as Depth Anything's is.

    Attributes:
        feature_channels: channels of the six maps, highest resolution first.
        stride: what both sides of an image must be a multiple of (px).
        uses_focal: that `forward` wants the focal length.

    """

    stride = 32
    uses_focal = True

    def __init__(self, body: CoarseLite, width: int = 64) -> None:
        """Wrap a `coarse_lite`; the projection starts at random."""
        super().__init__()
        self.body = body
        self.feature_channels = (width // 2, *[width] * 5)
        decoder = [len(lateral.weight) for lateral in body.lateral]  # type: ignore[arg-type]  # stride 4 to 32
        inputs = [*reversed(decoder), self.body.head.in_channels, self.body.head.in_channels]
        outputs = list(reversed(self.feature_channels))
        self.projection = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(inputs, outputs, strict=True))

    def forward(self, image_B3hw: Tensor, f_px_B: Tensor | None = None) -> CoarseMaps:
        """Predict from RGB in 0..1, (B, 3, h, w).

        Args:
            image_B3hw: sides are multiples of 32.
            f_px_B: focal length (px) at this size; None for the canonical camera's 500 px.

        """
        size = (image_B3hw.shape[-2], image_B3hw.shape[-1])
        if f_px_B is None:
            f_px_B = torch.full((len(image_B3hw),), F_CANONICAL_PX, device=image_B3hw.device)
        levels = self.body.levels(image_B3hw, f_px_B)
        answer = self.body.answer(levels[-1], f_px_B, size)
        maps = [project(x) for project, x in zip(self.projection, [*levels, levels[-1]], strict=True)]
        # Projected before they grow: a 1x1 convolution commutes with a bilinear resize.
        maps[4] = F.interpolate(maps[4], scale_factor=2, mode="bilinear", align_corners=False)
        maps[5] = F.interpolate(maps[5], size, mode="bilinear", align_corners=False)
        return CoarseMaps(depth_m_B1hw=torch.exp(answer.log_depth_B1hw), features=tuple(maps))
