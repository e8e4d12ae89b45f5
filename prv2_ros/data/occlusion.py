"""Ambient occlusion in screen space: darker where the surroundings stand nearer to the camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from prv2_ros.data.raycast import Pinhole

_WINDOWS = (0.015, 0.05, 0.12)
"""Sides of the surroundings that count, as shares of the whole picture's width."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Mean inverse depth (1/m) around each place of a whole picture.

    The windows are parts of the whole picture, so that what is cut out of it at any resolution is as dark as it is
    there: windows that followed the cut's own size would draw narrow bands along the edges of its depth, which no
    picture has.
    """

    camera: Pinhole
    """That of the whole picture."""

    grids: tuple[tuple[int, Tensor], ...]
    """Side of a grid's cells (px), and its means (1, 1, h, w), one grid a window."""

    @classmethod
    def of(cls, depth_HW: Tensor, camera: Pinhole) -> Surroundings:
        """Take the means over the whole picture's depth (m, inf where there is nothing)."""
        near = _inverse(depth_HW)[None, None]
        grids = []
        for share in _WINDOWS:
            # A grid coarse enough that the window is a few cells wide.
            cell = max(1, round(share * depth_HW.shape[1] / 2))
            small = F.avg_pool2d(near, cell, ceil_mode=True, count_include_pad=False)
            grids.append((cell, F.avg_pool2d(small, 5, 1, 2, count_include_pad=False)))
        return cls(camera=camera, grids=tuple(grids))

    def occlusion(self, depth_HW: Tensor, camera: Pinhole) -> Tensor:
        """Give the share (H, W) of the ambient light that arrives.

        Args:
            depth_HW: depth (m) of this view.
            camera: of this view: the whole picture's camera, or that resized and cropped.

        """
        near, dark = _inverse(depth_HW), torch.zeros_like(depth_HW)
        for cell, grid in self.grids:
            around = self._sampled(cell, grid, camera)
            # A much nearer neighbour is another object far in front, not a crevice: its part is bounded.
            dark += ((around / near.clamp(min=1e-6) - 1) * 4).clamp(0, 0.6)
        return torch.exp(-0.7 * dark)

    def _sampled(self, cell: int, grid: Tensor, camera: Pinhole) -> Tensor:
        """Means (H, W) at a view's pixels, between the cells' middles."""
        whole, device = self.camera, grid.device
        x = (torch.arange(camera.width, device=device) - camera.cx) * (whole.fx / camera.fx) + whole.cx
        y = (torch.arange(camera.height, device=device) - camera.cy) * (whole.fy / camera.fy) + whole.cy
        rows, columns = _between((y + 0.5) / cell, grid.shape[-2]), _between((x + 0.5) / cell, grid.shape[-1])
        return rows @ grid[0, 0] @ columns.T


def _inverse(depth_HW: Tensor) -> Tensor:
    return torch.where(torch.isfinite(depth_HW), 1.0 / depth_HW.clamp(min=0.05), 0.0)


def _between(cells: Tensor, count: int) -> Tensor:
    """Weights (N, count) that interpolate between the middles of `count` cells at N places, in cells from the edge."""
    place = (cells - 0.5).clamp(0, count - 1)[:, None]
    return (1 - (place - torch.arange(count, device=cells.device)).abs()).clamp(min=0)
